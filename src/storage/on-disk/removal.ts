/**
 * Removing volumes so that heirs keep working, and an interruption anywhere leaves something that the next call
 * finishes.
 *
 * What is deleted gets another name first, `ID.gone`. So a directory that still has its id as its name is a volume, also
 * where its record is lost or torn: nobody takes it for the rest of something.
 *
 * A volume that others may be built upon is first marked removed, durably; its directory goes when no volume names
 * its layer any more. That is decided under the lock of the volumes directory, by one process at a time. `create`
 * takes no lock: whoever clones a volume has pinned it, so it is not removed meanwhile.
 */
import {closeSync, openSync, renameSync, statSync} from 'node:fs';
import {constants, setPriority} from 'node:os';
import {basename, join} from 'node:path';
import {ChrootctlError, errnoOf} from '../../errors.ts';
import {isId} from '../../ids.ts';
import {isThere, namesIn, setAside} from '../../system/files.ts';
import {isSelf, self, startOf} from '../../system/identity.ts';
import {Interrupted} from '../../system/interruption.ts';
import {LOCKED_MODE} from '../../system/life.ts';
import {withLock} from '../../system/lock.ts';
import {describeOwner, hasEnded} from '../../system/owners.ts';
import type {PlainRemoval} from '../../system/plain-removal.ts';
import {start} from '../../system/programs.ts';
import {assertMountedNowhere, type Sought} from './busy.ts';
import {assertNothingMountedBelow, deleteTree, type Budget} from '../trees/delete.ts';
import {ATTRIBUTES} from '../overlay/merge.ts';
import type {DriverName} from '../registry.ts';
import {
  directoryOf,
  LAYERS,
  PARTS,
  RECORD,
  readRecord,
  recordIn,
  readRecords,
  volumeOfLayer,
  writeRecord,
  writeRecordIn,
  type VolumeRecord,
} from './volume-record.ts';

/** Where volumes lie, and how their parts are deleted there. */
export interface Room {
  readonly name: DriverName;
  readonly volumes: string;
  /** Deletes a part of a volume's directory (see PARTS), or what is left of it; none there is no error. */
  deletePart(path: string): Promise<void>;
  /** What the mounts of an active volume look like. */
  sought(record: VolumeRecord): Sought;
  /** Lets go what was kept for a volume that is gone. Where that is in another room; `record`: as it was at its end. */
  collectBelow?(record: VolumeRecord): Promise<void>;
}

/** @throws ChrootctlError BUSY when one is active and mounted, or still being made by another process */
export async function removeVolumes(room: Room, ids: readonly string[]): Promise<void> {
  const {volumes} = room;
  const built: string[] = [];
  for (const id of ids) {
    const record = readIfReadable(volumes, id);
    if (record === 'unreadable' || record?.state === 'frozen' || record?.state === 'removed') built.push(id);
    else if (record !== undefined) await removeActive(room, record);
    else await deleteRest(room, id);
  }
  if (built.length > 0) await removeFrozen(room, built);
}

function readIfReadable(volumes: string, id: string): VolumeRecord | 'unreadable' | undefined {
  try {
    return readRecord(volumes, id);
  } catch (error) {
    if (error instanceof ChrootctlError) return 'unreadable';
    throw error;
  }
}

async function removeFrozen(room: Room, ids: readonly string[]): Promise<void> {
  const {volumes} = room;
  await locked(volumes, async () => {
    for (const id of ids) {
      // Another process may have removed it while we waited for the lock.
      const present = readIfReadable(volumes, id);
      if (present === 'unreadable') markRemoved(room, id);
      else if (present?.state === 'frozen')
        writeRecord(volumes, {...present, state: 'removed'}, {durable: true});
    }
    await deleteUnneeded(room, new Set(ids));
  });
}

/** A volume that is to go, of which nothing can be read but who lies upon it: a removed one, as any other. */
function markRemoved({volumes, name}: Room, id: string): void {
  assertDeletable(volumes, id);
  const parts = namesIn(directoryOf(volumes, id)).filter((part) => LAYERS.includes(part));
  const layers = (parts.length === 0 ? ['fs'] : parts).map((part) => `${id}/${part}`);
  setAside(join(directoryOf(volumes, id), RECORD));
  writeRecord(
    volumes,
    {chrootctl: 1, id, driver: name, state: 'removed', parent: null, ephemeral: false, layers},
    {durable: true},
  );
}

/** As `discardVolume` removes an active ephemeral volume of ours; see `letGo` for what is watched. */
export function plainRemovalOf(volumes: string, id: string): PlainRemoval | undefined {
  const {parent, layers} = readRecord(volumes, id) ?? {parent: null, layers: []};
  const names = {volumes, name: id, gone: basename(goneOf(volumes, id)), parts: [...PARTS, RECORD]};
  if (parent === null || layers.length === 1) return {...names, most: MOST_AT_ONCE, watched: undefined};
  const path = join(directoryOf(volumes, parent), RECORD);
  const identity = identityOf(path);
  // Looked at after that: what it was then, it is as long as it is the same file.
  const below = readIfReadable(volumes, parent);
  if (below === 'unreadable' || below?.state !== 'frozen') return undefined;
  return {...names, most: MOST_AT_ONCE, watched: {path, identity}};
}

/** What says that a file is the one that it was, and as it was. */
export function identityOf(path: string): string {
  const {ino, ctimeNs} = statSync(path, {bigint: true});
  return `${ino} ${ctimeNs}`;
}

/**
 * Removes an active volume, or one that we did not get made; where there is much to delete, another process goes on with
 * it. Others are removed.
 */
export async function discardVolume(room: Room, id: string): Promise<void> {
  const {volumes} = room;
  const record = readIfReadable(volumes, id) ?? recordIn(goneOf(volumes, id));
  if (record === 'unreadable' || (record?.state !== 'active' && record?.state !== 'making'))
    return removeVolumes(room, [id]);
  const directory = await letGo(room, record);
  const budget = {left: MOST_AT_ONCE};
  const parts = namesIn(directory).filter((name) => PARTS.includes(name));
  const deleteAll = (most?: Budget): boolean =>
    parts.every((part) => deleteTree(join(directory, part), most));
  if (deleteAll(budget) || (!isDeletedLater(directory, record) && deleteAll())) deleteTree(directory);
}

/** Entries that are deleted in about a tenth of a second: as long as it takes to start a run. */
const MOST_AT_ONCE = 10_000;

/** Where somebody else looks from another container, only a lock that is held for life tells of one (life.ts). */
const LOCK_RECORD =
  `if [ -e "$0/${RECORD}" ]; then exec 9<"$0/${RECORD}"; ` +
  `flock 9 && chmod ${LOCKED_MODE.toString(8)} "$0/${RECORD}"; fi`;

/**
 * A process of its own, in a session of its own: it outlives us and what a terminal sends us. False where none can be
 * started.
 */
function isDeletedLater(directory: string, {chrootctl, id, driver}: VolumeRecord): boolean {
  const parts = PARTS.map((part) => join(directory, part));
  // The record last: it says who is at work, so that nobody takes the rest for a leftover while he is.
  const rm = 'rm -rf --one-file-system --';
  const script = `read -r go; ${LOCK_RECORD}; ${rm} "$@" && ${rm} "$0"`;
  const child = start('sh', ['-c', script, directory, ...parts], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => undefined);
  const {pid} = child;
  if (pid === undefined) return false;
  // Without a record the rest is a leftover, and gc finds it.
  child.stdin.on('error', () => undefined);
  try {
    const started = startOf(pid);
    if (started !== undefined) {
      setPriority(pid, constants.priority.PRIORITY_LOW);
      const maker = {...self(), pid, started};
      writeRecordIn(
        directory,
        {chrootctl, id, driver, state: 'making', parent: null, ephemeral: true, layers: [`${id}/fs`], maker},
        {durable: false},
      );
    }
  } finally {
    child.stdin.end();
    child.unref();
  }
  return true;
}

/** From here on it is us who is at work in a volume in which somebody was. */
export function takeOver(volumes: string, id: string): void {
  const record = readIfReadable(volumes, id);
  if (record === undefined || record === 'unreadable') return;
  if (record.maker !== undefined && !isSelf(record.maker))
    writeRecord(volumes, {...record, maker: self()}, {durable: false});
}

async function removeActive(room: Room, record: VolumeRecord): Promise<void> {
  await deleteParts(room, await letGo(room, record));
}

/**
 * Nothing is built upon an active volume. It gives up its name first, then it looks whether its parent waits for its last
 * heir: whoever marks the parent as removed looks for heirs afterwards, so one of the two sees the other. Gives the
 * directory that is to be deleted.
 */
async function letGo(room: Room, record: VolumeRecord): Promise<string> {
  const {volumes} = room;
  const {id, maker} = record;
  if (maker !== undefined && !isSelf(maker) && !hasEnded(maker)) {
    throw new ChrootctlError(
      'BUSY',
      `volume ${id} is being made or deleted by a process (${describeOwner(maker)})`,
      {
        hint: 'try again later',
      },
    );
  }
  if (!record.ephemeral) await assertMountedNowhere(room.sought(record));
  assertDeletable(volumes, id);
  const gone = await moveAway(room, id);
  if (room.collectBelow === undefined) await collectBelow(room, record);
  else await room.collectBelow(recordIn(gone) ?? record);
  return gone;
}

async function collectBelow(room: Room, {parent, layers}: VolumeRecord): Promise<void> {
  if (parent === null || layers.length === 1) return;
  const below = readIfReadable(room.volumes, parent);
  if (below !== 'unreadable' && below?.state === 'removed') await collect(room);
}

/** Gives a volume's directory the name of what is being deleted. Gives its path; one that is not there has none. */
async function moveAway(room: Room, id: string): Promise<string> {
  const gone = goneOf(room.volumes, id);
  if (isThere(gone)) {
    // Somebody may have mounted something in what is left of a removal.
    assertNothingMountedBelow(gone, basename(gone));
    // Of this one, when the volume is not there any more; else of another of that id.
    if (isThere(directoryOf(room.volumes, id))) await deleteParts(room, gone);
  }
  try {
    renameSync(directoryOf(room.volumes, id), gone);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  return gone;
}

const GONE = '.gone';

export function goneOf(volumes: string, id: string): string {
  return `${directoryOf(volumes, id)}${GONE}`;
}

/** The directories of what was to become a volume, and of what was one: by their names none is a volume. */
export function halvesIn(volumes: string): string[] {
  return namesIn(volumes).filter((name) => {
    const id = name.slice(0, name.indexOf('.'));
    return isId(id) && (name === `${id}${GONE}` || name.endsWith('.tmp'));
  });
}

/** Deletes what removed volumes left and no heir needs. One that cannot be deleted does not keep the others. */
export async function collect(room: Room): Promise<void> {
  await locked(room.volumes, () => deleteUnneeded(room));
}

/** There from the first volume on, so that a removal leaves nothing behind that was not there before. */
export function makeLockFile(volumes: string): void {
  closeSync(openSync(lockFile(volumes), 'a', 0o600));
}

function lockFile(volumes: string): string {
  return join(volumes, '.lock');
}

/** Runs `work` while no other process removes frozen volumes here. */
export async function locked<T>(volumes: string, work: () => T | Promise<T>): Promise<T> {
  return withLock(lockFile(volumes), async () => work());
}

/** Removed volumes that no other volume needs; the lock is held. None while a record cannot be read. */
export function unneeded(volumes: string): VolumeRecord[] {
  const {records, damaged} = readRecords(volumes);
  if (damaged.length > 0) return [];
  const living = records.filter(({state}) => state !== 'removed');
  const needed = new Set(living.flatMap(({layers}) => layers.map(volumeOfLayer)));
  return records.filter(({state, id}) => state === 'removed' && !needed.has(id));
}

/** Of what cannot be deleted and nobody has `asked` for now, `check` tells. */
async function deleteUnneeded(room: Room, asked?: ReadonlySet<string>): Promise<void> {
  const failures: unknown[] = [];
  for (const {id} of unneeded(room.volumes)) {
    try {
      await deleteVolumeDirectory(room, id);
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      if (asked?.has(id) !== false) failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/**
 * Deletes the directory of a volume, whatever is in it of ours.
 * @throws ChrootctlError FAILED when it holds something that is not ours, BUSY when something is mounted in it
 */
export async function deleteVolumeDirectory(room: Room, id: string): Promise<void> {
  assertDeletable(room.volumes, id);
  await deleteParts(room, await moveAway(room, id));
}

/** Where nothing is of a volume, there may be what is left of its removal, or an empty directory. */
async function deleteRest(room: Room, id: string): Promise<void> {
  if (isThere(directoryOf(room.volumes, id))) return deleteVolumeDirectory(room, id);
  if (isThere(goneOf(room.volumes, id))) await deleteParts(room, await moveAway(room, id));
}

function assertDeletable(volumes: string, id: string): void {
  const directory = directoryOf(volumes, id);
  const foreign = foreignIn(directory);
  if (foreign !== undefined) {
    throw new ChrootctlError('FAILED', `${directory} is left alone: ${foreign} in it is not chrootctl's`, {
      hint: 'look at it, and remove the directory by hand if nobody needs it',
    });
  }
  assertNothingMountedBelow(directory, id);
}

/** Deletes a directory that is no volume by its name. */
export async function deleteParts(room: Room, directory: string): Promise<void> {
  for (const part of PARTS) await room.deletePart(join(directory, part));
  deleteTree(directory);
}

/** The first entry that no driver of ours would have made. */
export function foreignIn(directory: string): string | undefined {
  return namesIn(directory).find((name) => !OURS.test(name));
}

const OURS = new RegExp(
  `^(?:${PARTS.join('|')}|${ATTRIBUTES.replace('.', '\\.')}|volume\\.json(?:\\.[0-9a-f.-]+\\.tmp|\\.damaged(?:-\\d+)?)?)$`,
);
