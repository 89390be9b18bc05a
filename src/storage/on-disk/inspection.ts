/**
 * Looks for damage, and for what interrupted calls left. Another process may be making or removing a volume at this
 * moment; that is never reported, and never touched:
 *
 * - a directory without a record counts as left behind once it has not changed for a minute. To make one takes three
 *   system calls in a row; a process stopped in between for longer gets an error from the fourth, and loses nothing;
 * - what takes longer (copying, merging) is marked with its maker, and left behind when that does not run any more;
 * - removed volumes are looked at under the lock that those who remove them hold, and twice: the last heir of one
 *   goes a moment before the lock is taken.
 */
import {existsSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {ChrootctlError} from '../../errors.ts';
import {removeIfExists} from '../../system/files.ts';
import {isAlive} from '../../system/identity.ts';
import type {VolumeProblem} from '../driver.ts';
import {ATTRIBUTES} from '../overlay/merge.ts';
import {directoryOf, idsIn, readRecord, RECORD, unusedParts, type VolumeRecord} from './volume-record.ts';
import {collect, deleteVolumeDirectory, filesIn, foreignIn, locked, unneeded, type Room} from './removal.ts';

const SETTLED_MS = 60_000;
const PAUSE_MS = 250;

export interface Finding extends VolumeProblem {
  repair?: () => void | Promise<void>;
}

export interface CheckedRoom extends Room {
  /** What only the driver can see to be wrong with an active or frozen volume whose layers are there. */
  inspect(record: VolumeRecord): Promise<Finding[]>;
}

export async function checkVolumes(
  room: CheckedRoom,
  {fix = false}: {fix?: boolean},
): Promise<VolumeProblem[]> {
  const {volumes} = room;
  const ids = idsIn(volumes);
  if (ids.length === 0) return [];
  const findings: Finding[] = [];
  for (const id of ids) findings.push(...(await lookAt(room, id)));
  const removed = await leftByRemovals(volumes);
  if (fix) {
    for (const {repair} of findings) await repair?.();
    if (removed.length > 0) await collect(room);
  }
  return [
    ...findings.map(({repair: _repair, ...problem}) => problem),
    ...removed.map(({id}) =>
      leftover(`volume ${id} is removed and no other needs it, but it is still there`),
    ),
  ];
}

/** Removed volumes that nobody needs any more, and nobody is about to collect either. */
async function leftByRemovals(volumes: string): Promise<VolumeRecord[]> {
  const first = await locked(volumes, () => unneeded(volumes));
  if (first.length === 0) return [];
  await sleep(PAUSE_MS);
  const ids = new Set((await locked(volumes, () => unneeded(volumes))).map(({id}) => id));
  return first.filter(({id}) => ids.has(id));
}

async function lookAt(room: CheckedRoom, id: string): Promise<Finding[]> {
  const {volumes} = room;
  let record: VolumeRecord | undefined;
  try {
    record = readRecord(volumes, id);
  } catch (error) {
    if (!(error instanceof ChrootctlError)) throw error;
    return [{kind: 'damaged-volume', what: error.message}];
  }
  if (record === undefined) return withoutRecord(room, id);
  const ofDead = record.maker !== undefined && !isAlive(record.maker);
  if (record.state === 'making') {
    const what = `volume ${id} was left half made`;
    return ofDead ? [{...leftover(what), repair: () => deleteVolumeDirectory(room, id)}] : [];
  }
  if (record.state === 'removed') return temporaries(directoryOf(volumes, id), id);
  const missing = missingLayers(volumes, record);
  return [
    ...(missing.length > 0 ? missing : await room.inspect(record)),
    ...leftParts(room, record),
    ...temporaries(directoryOf(volumes, id), id),
  ];
}

function withoutRecord(room: Room, id: string): Finding[] {
  const directory = directoryOf(room.volumes, id);
  if (!isSettled(directory)) return [];
  const foreign = foreignIn(directory);
  if (foreign !== undefined) {
    return [
      {
        kind: 'damaged-volume',
        what: `${directory} has no ${RECORD}, and ${foreign} in it is not chrootctl's`,
      },
    ];
  }
  const what = `${id} has no ${RECORD}: a volume half made or half removed`;
  return [{...leftover(what), repair: () => deleteVolumeDirectory(room, id)}];
}

function missingLayers(volumes: string, {id, layers}: VolumeRecord): Finding[] {
  return layers
    .filter((layer) => !existsSync(join(volumes, layer)))
    .map((layer) => ({kind: 'damaged-volume', what: `volume ${id} lacks its layer ${layer}`}));
}

/** What freezing would have deleted at its end, or a merge that was never finished. */
function leftParts(room: Room, record: VolumeRecord): Finding[] {
  if (record.maker !== undefined && isAlive(record.maker)) return [];
  const directory = directoryOf(room.volumes, record.id);
  const left = (name: string, remove: (path: string) => void | Promise<void>): Finding[] => {
    const path = join(directory, name);
    if (!existsSync(path) || !isSettled(join(directory, RECORD))) return [];
    return [{...leftover(`${path} is of no use any more`), repair: () => remove(path)}];
  };
  return [
    ...unusedParts(record).flatMap((part) => left(part, (path) => room.deletePart(path))),
    ...left(ATTRIBUTES, (path) => void removeIfExists(path)),
  ];
}

/** Records that were being written when their writer was killed. */
function temporaries(directory: string, id: string): Finding[] {
  return filesIn(directory)
    .filter(
      (name) => name.startsWith(`${RECORD}.`) && name.endsWith('.tmp') && isSettled(join(directory, name)),
    )
    .map((name) => ({
      ...leftover(`volume ${id} has an unfinished record, ${name}`),
      repair: () => void removeIfExists(join(directory, name)),
    }));
}

function isSettled(path: string): boolean {
  const stats = statSync(path, {throwIfNoEntry: false});
  return stats !== undefined && Date.now() - stats.ctimeMs > SETTLED_MS;
}

function leftover(what: string): VolumeProblem {
  return {kind: 'leftover', what, fix: 'delete it'};
}
