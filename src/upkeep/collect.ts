/**
 * Collecting what crashes left: sessions whose owner is gone, volumes that nothing names, mounts, control groups and
 * temporary files. Safe at any time, beside anything: a live command's things are always named by its record.
 */
import {leftoverLimits, removeLimits} from '../sandbox/limits.ts';
import {discardDead} from '../session/discard.ts';
import {finishRemoval, removeVersions} from '../images/remove.ts';
import {catchUp, imagesAhead, type Ahead} from '../store/catch-up.ts';
import type {ImageChange} from '../store/image.ts';
import {readable, type SessionRecord, type VersionRecord} from '../store/records.ts';
import {withReserve} from '../store/reserve.ts';
import {claimsOf, doubtsAbout, rootsOf, type Doubt, type Roots} from '../store/roots.ts';
import {volumesOf} from '../store/sessions.ts';
import type {VolumeInfo} from '../storage/driver.ts';
import type {Store} from '../store/store.ts';
import {isOld} from '../system/files.ts';
import {throwIfInterrupted} from '../system/interruption.ts';
import {inDoubt, stillThere} from './evidence.ts';
import {
  abandonedTrials,
  entries,
  goneImages,
  strayMounts,
  temporaries,
  tornRecords,
  type Leftover,
} from './litter.ts';
import {describeTransfer, transfers} from './transfers.ts';

export interface CollectOptions {
  /** Imports that broke off are given up, however young. */
  transfers?: boolean;
}

/** Volumes that may be somebody's, though nobody is found to name them: they stay, and doctor tells of them. */
export interface Left extends Doubt {
  volume: VolumeInfo;
  what: string;
}

export interface Survey {
  leftovers: Leftover[];
  left: Left[];
  roots: Roots;
}

/** Looks for leftovers, changing nothing. */
export async function leftovers(store: Store, options: CollectOptions = {}): Promise<Leftover[]> {
  return (await survey(store, options)).leftovers;
}

/** The same, with what is left because it cannot be decided. */
export async function survey(store: Store, options: CollectOptions = {}): Promise<Survey> {
  // The order makes it safe without a lock: of the volumes listed first, those that nobody names later (roots.ts) are
  // nobody's. The same goes for mount points, which a session's record precedes.
  const volumes = await store.driver.list();
  const mountPoints = entries(store.layout.mounts);
  const roots = rootsOf(store);
  const {sessions, dead, versions, named} = roots;
  const deadIds = new Set(dead.map(({id}) => id));
  const alive = sessions.filter(({id}) => !deadIds.has(id));
  // What the driver's ledger knows to be versions is not nobody's either: their records are what is missing.
  const ahead = await imagesAhead(store);
  const remembered = new Set(ahead.flatMap((image) => image.volumes));
  const unnamed = await stillThere(
    store,
    volumes.filter(({id}) => !named.has(id) && !remembered.has(id)),
  );
  const doubts = await doubtsAbout(store, roots, unnamed);
  // What became a version is known by that version's record; so while one cannot be read, what a dead session has frozen
  // may belong to it.
  const unsure = new Set(await inDoubt(store, roots, volumes));
  const isForgotten = ({volume}: VersionRecord): boolean => !remembered.has(volume);
  const unfinished = unfinishedVersions(store, versions, dead).filter(isForgotten);
  const ofKept = await endedCommits(store, unfinishedVersions(store, versions, alive).filter(isForgotten));
  // What became a version that a tag has named belongs to that version.
  const published = new Set(
    versions.filter((version) => !unfinished.includes(version)).map(({volume}) => volume),
  );
  const aliveIds = new Set(alive.map(({id}) => id));
  const left = unnamed.flatMap((volume) => {
    const doubt = doubts.get(volume.id);
    return doubt === undefined ? [] : {...doubt, volume, what: `volume ${volume.id} is left: ${doubt.why}`};
  });
  const found = [
    ...interruptedRemovals(store),
    ...interruptedCommits(store, ahead),
    ...unfinished.map(({image, id}) => ({
      kind: 'unfinished-commit',
      what: `version ${image}@${id}: the commit died before a tag named it`,
      fix: 'remove it',
      collect: () => changeImage(store, image, (change) => removeVersions(store, change, [id])),
    })),
    ...ofKept.map(({image, id}) => ({
      kind: 'unfinished-commit',
      what: `version ${image}@${id}: the commit died before a tag named it; its session goes on`,
      fix: 'remove its record',
      collect: () =>
        changeImage(store, image, (change) => {
          change.withdrawVersion(id);
          return Promise.resolve();
        }),
    })),
    ...dead
      .filter((record) => !volumesOf(record).some((id) => unsure.has(id)))
      .map((record) => ({
        kind: 'dead-session',
        what: `session ${record.id} of ${record.image}: its process (pid ${record.owner.pid}) is gone`,
        fix: 'remove its clone',
        collect: () =>
          discardDead(
            store,
            record,
            volumesOf(record).filter((id) => published.has(id) || remembered.has(id)),
            {wait: true},
          ),
      })),
    ...store.sessions.deadExecs().map((record) => ({
      kind: 'dead-exec',
      what: `a command in session ${record.session}: its process (pid ${record.owner.pid}) is gone`,
      fix: 'remove its record',
      collect: () => {
        store.sessions.dropExec(record);
        return Promise.resolve();
      },
    })),
    ...unnamed
      .filter(({id}) => !doubts.has(id))
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
    ...emptyImages(store),
    ...goneImages(store),
    ...temporaries(store),
    ...abandonedTrials(store),
    ...tornRecords(tornOf(store, left)),
    ...(await abandonedTransfers(store, options)),
  ];
  return {leftovers: found, left, roots};
}

/**
 * Records that a crash tore. Only a run's is written without waiting for the disk, and all there was of it has ended with
 * the machine. One that may have been another's stays for as long as there is something that it could have named.
 */
function tornOf(store: Store, left: readonly Left[]): {path: string}[] {
  const mayNameKept = left.some(({volume}) => !volume.ephemeral);
  return store.sessions
    .damaged()
    .filter(
      ({path, torn}) => torn && isOld(path) && !(mayNameKept && path.startsWith(store.layout.sessions)),
    );
}

export interface Collected {
  collected: Leftover[];
  failed: {leftover: Leftover; error: unknown}[];
  /** Volumes that nobody is found to name and that stay, since somebody may: a line each. */
  left: string[];
}

/** What `collect` would do, but for what it cannot. */
export async function wouldCollect(store: Store, options: CollectOptions = {}): Promise<Collected> {
  const {leftovers: collected, left} = await survey(store, options);
  return {collected, failed: [], left: left.map(({what}) => what)};
}

/** Collects everything that `leftovers` finds; one that cannot be collected does not keep the others. */
export async function collect(store: Store, options: CollectOptions = {}): Promise<Collected> {
  const collected: Leftover[] = [];
  const failed: {leftover: Leftover; error: unknown}[] = [];
  const {leftovers: found, left} = await survey(store, options);
  for (const leftover of found) {
    try {
      await withReserve(store.layout, leftover.collect);
      collected.push(leftover);
    } catch (error) {
      failed.push({leftover, error});
    }
    // What is left then is still there for the next one.
    throwIfInterrupted('chrootctl gc goes on with the rest');
  }
  await store.driver.check({fix: true, claims: () => claimsOf(rootsOf(store))});
  return {collected, failed, left: left.map(({what}) => what)};
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
        collect: () => changeImage(store, name, (change) => finishRemoval(store, change, id)),
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
    .filter(({image, id}) => readable(() => store.image(image).isPublished(id)) === false);
}

/** Those whose commit is not at work any more: it holds the image's lock, so when we have that it has ended. */
async function endedCommits(store: Store, versions: readonly VersionRecord[]): Promise<VersionRecord[]> {
  const ended: VersionRecord[] = [];
  for (const version of versions) {
    const image = store.image(version.image);
    await image.change(() => {
      const isPublished = readable(() => image.isPublished(version.id));
      if (isPublished === false && readable(() => image.version(version.id)) !== undefined)
        ended.push(version);
      return Promise.resolve();
    });
  }
  return ended;
}

/** What is left of an image when its first commit, or its removal, died halfway: no version, no tag. */
function emptyImages(store: Store): Leftover[] {
  return store
    .imageNames()
    .map((name) => store.image(name))
    .filter((image) => readable(() => image.isNobodys()) === true)
    .map((image) => ({
      kind: 'empty-image',
      what: `image ${image.name}: it has no versions`,
      fix: 'remove it',
      collect: () => changeImage(store, image.name, () => Promise.resolve()),
    }));
}

/** An image that is empty afterwards goes as well. */
async function changeImage(
  store: Store,
  name: string,
  work: (change: ImageChange) => Promise<void>,
): Promise<void> {
  await store.image(name).change(async (change) => {
    await work(change);
    if (change.image.isNobodys()) await change.dropImage();
  });
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
