/**
 * Looks for damage, and for what interrupted calls left. Another process may be making or removing a volume at this
 * moment; that is never reported, and never touched:
 *
 * - what was to become a volume, or was one, has a name that says so (removal.ts), and whose it is. A directory that has
 *   an id as its name is a volume, with or without its record: it is left to whoever may want it;
 * - what takes longer (copying, merging) is marked with its maker, and left behind when that does not run any more;
 * - removed volumes are looked at under the lock that those who remove them hold, and twice: the last heir of one
 *   goes a moment before the lock is taken.
 */
import {statSync} from 'node:fs';
import {join} from 'node:path';
import {isDeepStrictEqual} from 'node:util';
import {setTimeout as sleep} from 'node:timers/promises';
import {ChrootctlError} from '../../errors.ts';
import {isAbandoned, isThere, namesIn, removeIfExists, setAside} from '../../system/files.ts';
import {isHeld} from '../../system/life.ts';
import {hasEnded} from '../../system/owners.ts';
import type {CheckOptions, Claims, VolumeProblem} from '../driver.ts';
import {assertNothingMountedBelow} from '../trees/delete.ts';
import {ATTRIBUTES} from '../overlay/merge.ts';
import {heirOf, restored} from './restored.ts';
import {
  directoryOf,
  idsIn,
  isWithoutRecord,
  makerIn,
  readRecord,
  RECORD,
  unusedParts,
  writeRecord,
  type VolumeRecord,
} from './volume-record.ts';
import {
  collect,
  deleteParts,
  deleteVolumeDirectory,
  foreignIn,
  halvesIn,
  locked,
  unneeded,
  type Room,
} from './removal.ts';

const SETTLED_MS = 60_000;
const PAUSE_MS = 250;

export interface Finding extends VolumeProblem {
  repair?: () => void | Promise<void>;
}

export interface CheckedRoom extends Room {
  /** What only the driver can see to be wrong with an active or frozen volume whose layers are there. */
  inspect(record: VolumeRecord): Promise<Finding[]>;
  /** The layers of a frozen volume whose record is lost, where its own parts tell: these are in its directory. */
  layersOf(id: string, parts: readonly string[], isFirst: boolean): readonly string[] | undefined;
}

export async function checkVolumes(
  room: CheckedRoom,
  {fix = false, claims = () => NO_CLAIMS}: CheckOptions,
): Promise<VolumeProblem[]> {
  const {volumes} = room;
  const ids = idsIn(volumes);
  const halves = halvesIn(volumes);
  // After the look what there is: a record precedes the volume that it names.
  let answer: Claims | undefined;
  const asked = (): Claims => (answer ??= claims());
  const findings: Finding[] = halves.flatMap((name) => half(room, name, asked));
  for (const id of ids) findings.push(...(await lookAt(room, id, asked)));
  if (ids.length === 0 && findings.length === 0) return [];
  const removed = await leftByRemovals(volumes);
  if (fix) {
    const repairs = findings.flatMap(({repair}) => repair ?? []);
    for (const repair of repairs) await repair();
    // A record that could be read again may have been all that kept a removed volume.
    if (removed.length > 0 || repairs.length > 0) await collect(room);
  }
  return [
    ...findings.map(({repair: _repair, ...problem}) => problem),
    ...removed.map(({id}) =>
      leftover(`volume ${id} is removed and no other needs it, but it is still there`),
    ),
  ];
}

const NO_CLAIMS: Claims = {
  named: new Set(),
  frozen: new Map(),
  isComplete: true,
  isGivenUp: () => false,
};

/** A directory that by its name is no volume yet, or no more: of somebody who is at work, or who died at it. */
function half(room: Room, name: string, claims: () => Claims): Finding[] {
  const directory = join(room.volumes, name);
  const id = name.slice(0, name.indexOf('.'));
  const isLeft = name.endsWith('.tmp')
    ? isAbandoned(directory) || (claims().isGivenUp(id) && isThere(directory))
    : !isBeingDeleted(directory);
  if (!isLeft) return [];
  const what = `${directory} was left by a volume half made or half removed`;
  const repair = async (): Promise<void> => {
    assertNothingMountedBelow(directory, name);
    await deleteParts(room, directory);
  };
  return [{...leftover(what), repair}];
}

/** By the process that its record names, or by one that was at it a moment ago. */
function isBeingDeleted(directory: string): boolean {
  const maker = makerIn(directory);
  return maker === undefined
    ? !isSettled(directory)
    : !hasEnded(maker, () => isHeld(join(directory, RECORD)));
}

/** Whether nobody is at work any more in the volume of a record. */
function isLeftAlone(room: Room, {id, maker}: VolumeRecord, claims: () => Claims): boolean {
  if (maker === undefined) return false;
  if (hasEnded(maker)) return true;
  // He may have come to the end of it since the record was read.
  return claims().isGivenUp(id) && isDeepStrictEqual(readRecord(room.volumes, id)?.maker, maker);
}

/** Removed volumes that nobody needs any more, and nobody is about to collect either. */
async function leftByRemovals(volumes: string): Promise<VolumeRecord[]> {
  const first = await locked(volumes, () => unneeded(volumes));
  if (first.length === 0) return [];
  await sleep(PAUSE_MS);
  const ids = new Set((await locked(volumes, () => unneeded(volumes))).map(({id}) => id));
  return first.filter(({id}) => ids.has(id));
}

async function lookAt(room: CheckedRoom, id: string, claims: () => Claims): Promise<Finding[]> {
  const {volumes} = room;
  let record: VolumeRecord | undefined;
  try {
    record = readRecord(volumes, id);
  } catch (error) {
    if (!(error instanceof ChrootctlError)) throw error;
    return unreadable(room, id, claims(), error);
  }
  if (record === undefined) return withoutVolume(room, id);
  if (record.state === 'making') {
    const what = `volume ${id} was left half made`;
    return isLeftAlone(room, record, claims)
      ? [{...leftover(what), repair: () => deleteVolumeDirectory(room, id)}]
      : [];
  }
  if (record.state === 'removed') return temporaries(directoryOf(volumes, id), id);
  const missing = missingLayers(volumes, record);
  return [
    ...(missing.length > 0 ? missing : await room.inspect(record)),
    ...leftParts(room, record, claims),
    ...temporaries(directoryOf(volumes, id), id),
  ];
}

/** A directory with nothing in it that would be a volume. */
function withoutVolume(room: Room, id: string): Finding[] {
  const directory = directoryOf(room.volumes, id);
  const foreign = foreignIn(directory);
  if (foreign !== undefined) return [foreignTo(directory, foreign)];
  if (!isSettled(directory)) return [];
  const what = `${id} has no ${RECORD}: a volume half made or half removed`;
  return [{...leftover(what), repair: () => deleteVolumeDirectory(room, id)}];
}

/** A volume of whose record nothing can be read. It may only go when nobody can want it. */
function unreadable(room: CheckedRoom, id: string, claims: Claims, {message}: ChrootctlError): Finding[] {
  const directory = directoryOf(room.volumes, id);
  const foreign = foreignIn(directory);
  if (foreign !== undefined) return [foreignTo(directory, foreign)];
  const record = restored(room, id, claims);
  const damage = {kind: 'damaged-volume', what: message, volume: id} as const;
  if (record !== undefined) {
    const repair = (): void => {
      setAside(join(directory, RECORD));
      writeRecord(room.volumes, record, {durable: true});
    };
    return [{...damage, fix: 'make the record anew from what names the volume', repair}];
  }
  const isWanted = claims.named.has(id) || !claims.isComplete || heirOf(room.volumes, id) !== undefined;
  if (isWanted || !isWithoutRecord(room.volumes, id)) return [damage];
  // Only versions before 0.3 left such, when they died; or a power cut tore the record.
  if (!isSettled(directory)) return [];
  const what = `${id} has no ${RECORD}: a volume half made or half removed`;
  return [{...leftover(what), repair: () => deleteVolumeDirectory(room, id)}];
}

function foreignTo(directory: string, foreign: string): Finding {
  return {
    kind: 'damaged-volume',
    what: `${directory} has no ${RECORD}, and ${foreign} in it is not chrootctl's`,
  };
}

function missingLayers(volumes: string, {id, layers}: VolumeRecord): Finding[] {
  return layers
    .filter((layer) => !isThere(join(volumes, layer)))
    .map((layer) => ({kind: 'damaged-volume', what: `volume ${id} lacks its layer ${layer}`, volume: id}));
}

/** What freezing would have deleted at its end, or a merge that was never finished. */
function leftParts(room: Room, record: VolumeRecord, claims: () => Claims): Finding[] {
  if (record.maker !== undefined && !isLeftAlone(room, record, claims)) return [];
  const directory = directoryOf(room.volumes, record.id);
  const left = (name: string, remove: (path: string) => void | Promise<void>): Finding[] => {
    const path = join(directory, name);
    if (!isThere(path) || !isSettled(join(directory, RECORD))) return [];
    if (heirOf(room.volumes, record.id, name) !== undefined) return [];
    return [{...leftover(`${path} is of no use any more`), repair: () => remove(path)}];
  };
  return [
    ...unusedParts(record).flatMap((part) => left(part, (path) => room.deletePart(path))),
    ...left(ATTRIBUTES, (path) => void removeIfExists(path)),
  ];
}

/** Records that were being written when their writer was killed. */
function temporaries(directory: string, id: string): Finding[] {
  return namesIn(directory)
    .filter(
      (name) => name.startsWith(`${RECORD}.`) && name.endsWith('.tmp') && isAbandoned(join(directory, name)),
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
