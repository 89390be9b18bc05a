/**
 * Collecting what crashes left: sessions whose owner is gone, volumes that nothing names, mounts, control groups and
 * temporary files. Safe at any time, beside anything: a live command's things are always named by its record.
 */
import {readdirSync, statSync, unlinkSync} from 'node:fs';
import {join} from 'node:path';
import {errnoOf} from '../errors.ts';
import {leftoverLimits, removeLimits} from '../sandbox/limits.ts';
import {discard} from '../session/discard.ts';
import {removeMountPoint} from '../session/root.ts';
import {finishRemoval, removeVersions} from '../images/remove.ts';
import {catchUp, imagesAhead, type Ahead} from '../store/catch-up.ts';
import type {SessionRecord, VersionRecord} from '../store/records.ts';
import {withReserve} from '../store/reserve.ts';
import type {Store} from '../store/store.ts';
import {mountsOf} from '../system/mounts.ts';
import {run} from '../system/process.ts';
import {describeTransfer, transfers} from './transfers.ts';

/** Something to collect: what it is, and how. */
export interface Leftover {
  kind: string;
  what: string;
  fix: string;
  collect: () => Promise<void>;
}

/** A temporary file or a torn record this young may be one that is being written. */
const YOUNG_MS = 60_000;

export interface CollectOptions {
  /** Imports that broke off are given up, however young. */
  transfers?: boolean;
}

/** Looks for leftovers, changing nothing. */
export async function leftovers(store: Store, options: CollectOptions = {}): Promise<Leftover[]> {
  // The order makes it safe without a lock. A volume is named by a session before it is made, and by a version before
  // that session ends: so of the volumes listed first, those that neither of the later lists names are nobody's.
  // The same goes for mount points, which a session's record precedes.
  const volumes = await store.driver.list();
  const mountPoints = readdirSync(store.layout.mounts);
  const sessions = store.sessions.list();
  // Now, and not after the versions are read: what a process that is gone has committed is among them then.
  const dead = sessions.flatMap((record) => store.sessions.leftBehind(record) ?? []);
  const deadIds = new Set(dead.map(({id}) => id));
  const alive = sessions.filter(({id}) => !deadIds.has(id));
  const damaged = store.sessions.damaged();
  const images = store.imageNames().map((name) => store.image(name).allVersions());
  const versions = images.flatMap((known) => known ?? []);
  // What a record that cannot be read names is not known, so while there is one no volume is nobody's. What a torn one
  // named has ended with the machine.
  const torn = damaged.filter((record) => record.torn && isOld(record.path));
  const isComplete = damaged.length === torn.length && !images.includes(undefined);
  // What the driver's ledger knows to be versions is not nobody's either: their records are what is missing.
  const ahead = await imagesAhead(store);
  const remembered = new Set(ahead.flatMap((image) => image.volumes));
  const isForgotten = ({volume}: VersionRecord): boolean => !remembered.has(volume);
  const unfinished = unfinishedVersions(store, versions, dead).filter(isForgotten);
  const ofKept = await endedCommits(store, unfinishedVersions(store, versions, alive).filter(isForgotten));
  // What became a version that a tag has named belongs to that version.
  const published = new Set(
    versions.filter((version) => !unfinished.includes(version)).map(({volume}) => volume),
  );
  const named = new Set([
    ...versions.map(({volume}) => volume),
    ...[...sessions, ...dead].flatMap(volumesOf),
  ]);
  const aliveIds = new Set(alive.map(({id}) => id));
  return [
    ...interruptedRemovals(store),
    ...interruptedCommits(store, ahead),
    ...unfinished.map(({image, id}) => ({
      kind: 'unfinished-commit',
      what: `version ${image}@${id}: the commit died before a tag named it`,
      fix: 'remove it',
      collect: () => store.image(image).change((change) => removeVersions(store, change, [id])),
    })),
    ...ofKept.map(({image, id}) => ({
      kind: 'unfinished-commit',
      what: `version ${image}@${id}: the commit died before a tag named it; its session goes on`,
      fix: 'remove its record',
      collect: () =>
        store.image(image).change((change) => {
          change.withdrawVersion(id);
          return Promise.resolve();
        }),
    })),
    ...dead.map((record) => ({
      kind: 'dead-session',
      what: `session ${record.id} of ${record.image}: its process (pid ${record.owner.pid}) is gone`,
      fix: 'remove its clone',
      collect: () =>
        discard(
          store,
          record,
          volumesOf(record).filter((id) => published.has(id) || remembered.has(id)),
          {wait: true},
        ),
    })),
    ...volumes
      .filter(({id}) => isComplete && !named.has(id) && !remembered.has(id))
      .map(({id}) => ({
        kind: 'orphan-volume',
        what: `volume ${id}: no version and no session names it`,
        fix: 'remove it',
        collect: () => store.driver.remove(id),
      })),
    ...strayMounts(
      store,
      mountPoints.filter((id) => !aliveIds.has(id)),
    ),
    ...leftoverLimits().map(({id, path}) => ({
      kind: 'control-group',
      what: `control group ${path}: its maker is gone`,
      fix: 'remove it',
      collect: () => {
        removeLimits(id);
        return Promise.resolve();
      },
    })),
    ...temporaries(store),
    ...tornRecords(torn),
    ...(await abandonedTransfers(store, options)),
  ];
}

/** Collects everything that `leftovers` finds; one that cannot be collected does not keep the others. */
export async function collect(
  store: Store,
  options: CollectOptions = {},
): Promise<{collected: Leftover[]; failed: {leftover: Leftover; error: unknown}[]}> {
  const collected: Leftover[] = [];
  const failed: {leftover: Leftover; error: unknown}[] = [];
  for (const leftover of await leftovers(store, options)) {
    try {
      await withReserve(store.layout, leftover.collect);
      collected.push(leftover);
    } catch (error) {
      failed.push({leftover, error});
    }
  }
  await store.driver.check({fix: true});
  return {collected, failed};
}

/** Removals that were interrupted after the version was hidden are brought to their end. */
function interruptedRemovals(store: Store): Leftover[] {
  return store.imageNames().flatMap((name) =>
    store
      .image(name)
      .removingIds()
      .map((id) => ({
        kind: 'interrupted-removal',
        what: `version ${name}@${id}: its removal was interrupted`,
        fix: 'remove the rest',
        collect: () => store.image(name).change((change) => finishRemoval(store, change, id)),
      })),
  );
}

/** Commits that died between their transaction in the storage and their records: the storage has them, whole. */
function interruptedCommits(store: Store, ahead: readonly Ahead[]): Leftover[] {
  return ahead
    .filter(({isInterrupted}) => isInterrupted)
    .map(({image}) => ({
      kind: 'unfinished-commit',
      what: `a commit to ${image} died when the storage had it and the records did not`,
      fix: 'bring it to its end',
      collect: async () => {
        await catchUp(store, image);
      },
    }));
}

/** Versions of commits that died after the record was written, but before a tag named it: they never happened. */
function unfinishedVersions(
  store: Store,
  versions: readonly VersionRecord[],
  sessions: readonly SessionRecord[],
): VersionRecord[] {
  const volumes = new Set(sessions.flatMap(volumesOf));
  return versions
    .filter(({volume}) => volumes.has(volume))
    .filter(({image, id}) => !store.image(image).isPublished(id));
}

/** Those whose commit is not at work any more: it holds the image's lock, so when we have that it has ended. */
async function endedCommits(store: Store, versions: readonly VersionRecord[]): Promise<VersionRecord[]> {
  const ended: VersionRecord[] = [];
  for (const version of versions) {
    const image = store.image(version.image);
    await image.change(() => {
      if (image.version(version.id) !== undefined && !image.isPublished(version.id)) ended.push(version);
      return Promise.resolve();
    });
  }
  return ended;
}

/** Mounts below the store, and their empty mount points, that no session has. */
function strayMounts(store: Store, ids: readonly string[]): Leftover[] {
  const mounted = new Set(mountsOf().map(({mountPoint}) => mountPoint));
  return ids.map((id) => ({
    kind: 'stray-mount',
    what: `${store.layout.mount(id)}: no session has it`,
    fix: 'unmount it',
    collect: async () => {
      const path = store.layout.mount(id);
      if (mounted.has(path)) await run('umount', ['--', path]);
      removeMountPoint(path);
    },
  }));
}

/** Files that were being written when their writer died. */
function temporaries(store: Store): Leftover[] {
  const images = store.imageNames().flatMap((name) => {
    const directory = store.layout.image(name);
    return [directory, join(directory, 'versions')];
  });
  return [store.root, store.layout.sessions, store.layout.execs, ...images].flatMap((directory) =>
    entries(directory)
      .filter((name) => name.endsWith('.tmp'))
      .map((name) => join(directory, name))
      .filter(isOld)
      .map((path) => ({
        kind: 'temporary-file',
        what: `${path}: its writer is gone`,
        fix: 'remove it',
        collect: () => {
          unlinkSync(path);
          return Promise.resolve();
        },
      })),
  );
}

async function abandonedTransfers(store: Store, options: CollectOptions): Promise<Leftover[]> {
  const {expired, waiting} = await transfers(store);
  return [...expired, ...(options.transfers === true ? waiting : [])].map((transfer) => ({
    kind: 'unfinished-transfer',
    what: describeTransfer(transfer),
    fix: 'drop it',
    collect: async () => store.driver.streams?.abandon(transfer.name),
  }));
}

/** Records of runs that a power cut tore. One that is whole, but wrong, is not ours to remove. */
function tornRecords(torn: readonly {path: string}[]): Leftover[] {
  return torn.map(({path}) => ({
    kind: 'torn-record',
    what: `${path} was torn by a crash`,
    fix: 'remove it',
    collect: () => {
      unlinkSync(path);
      return Promise.resolve();
    },
  }));
}

function volumesOf(record: SessionRecord): string[] {
  return [record.volume, ...record.pending];
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function isOld(path: string): boolean {
  const stat = statSync(path, {throwIfNoEntry: false});
  return stat !== undefined && Date.now() - stat.ctimeMs > YOUNG_MS;
}
