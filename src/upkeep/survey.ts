/**
 * What crashes left: sessions whose owner is gone, volumes that nothing names, mounts, control groups and temporary files.
 * A live command's things are always named by its record; and what cannot be read may name what it could.
 */
import {leftoverLimits, removeLimits} from '../sandbox/limits.ts';
import {basename} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import {discardDead} from '../session/discard.ts';
import {imagesAhead} from '../store/catch-up.ts';
import type {SessionRecord, VersionRecord} from '../store/records.ts';
import {doubtsAbout, rootsOf, type Doubt, type Roots} from '../store/roots.ts';
import {volumesOf} from '../store/sessions.ts';
import type {VolumeInfo} from '../storage/driver.ts';
import type {Store} from '../store/store.ts';
import {isOld} from '../system/files.ts';
import {inDoubt, stillThere} from './evidence.ts';
import {
  abandonedTrials,
  batch,
  entries,
  goneImages,
  strayMounts,
  temporaries,
  tornRecords,
  type Leftover,
} from './litter.ts';
import {abandonedTransfers} from './transfers.ts';
import {
  emptyImages,
  interruptedCommits,
  interruptedRemovals,
  strayPolicies,
  unfinishedCommits,
  unpublished,
  whoseCommitEnded,
  withdrawnCommits,
} from './unfinished.ts';

export interface SurveyOptions {
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

/** Looks for leftovers, and for what is left because it cannot be decided. Changes nothing. */
export async function survey(store: Store, options: SurveyOptions = {}): Promise<Survey> {
  // The order makes it safe without a lock: of the volumes listed first, those that nobody names later (roots.ts) are
  // nobody's. The same goes for mount points, which a session's record precedes.
  const volumes = await store.driver.list();
  const mountPoints = entries(store.layout.mounts);
  const roots = rootsOf(store);
  // What the driver's ledger knows to be versions is not nobody's either: their records are what is missing.
  const ahead = await imagesAhead(store);
  const remembered = new Set(ahead.flatMap((image) => image.volumes));
  const alive = livingIn(roots);

  const unnamed = await stillThere(
    store,
    volumes.filter(({id}) => !roots.named.has(id) && !remembered.has(id)),
  );
  const doubts = await doubtsAbout(store, roots, unnamed);
  const left = unnamed.flatMap((volume) => {
    const doubt = doubts.get(volume.id);
    return doubt === undefined ? [] : {...doubt, volume, what: `volume ${volume.id} is left: ${doubt.why}`};
  });

  const isForgotten = ({volume}: VersionRecord): boolean => !remembered.has(volume);
  const ofDead = unpublished(store, roots.versions, roots.dead);
  const unfinished = ofDead.never.filter(isForgotten);
  const withdrawn = unpublished(store, roots.versions, alive).never.filter(isForgotten);

  // These go with their sessions, or stay with them where one cannot be ended.
  const mounted = roots.dead.filter(({kind}) => kind === 'session');
  const leftovers = [
    ...interruptedRemovals(store),
    ...interruptedCommits(store, ahead),
    ...unfinishedCommits(store, unfinished),
    ...withdrawnCommits(store, await whoseCommitEnded(store, withdrawn)),
    ...(await deadSessions(store, {roots, volumes, unfinished, unsure: ofDead.unsure, remembered})),
    ...deadExecs(store),
    ...orphans(
      store,
      unnamed.filter(({id}) => !doubts.has(id)),
    ),
    ...strayMounts(store, nobodys(store, without(mountPoints, [...alive, ...mounted]), left)),
    ...deadLimits(),
    ...(await strayPolicies(store)),
    ...emptyImages(store),
    ...goneImages(store),
    ...temporaries(store),
    ...abandonedTrials(store),
    ...tornRecords(tornOf(store, left)),
    ...(await abandonedTransfers(store, options)),
  ];
  return {leftovers, left, roots};
}

function livingIn({sessions, dead}: Roots): SessionRecord[] {
  const deadIds = new Set(dead.map(({id}) => id));
  return sessions.filter(({id}) => !deadIds.has(id));
}

function without(ids: readonly string[], sessions: readonly SessionRecord[]): string[] {
  const taken = new Set(sessions.map(({id}) => id));
  return ids.filter((id) => !taken.has(id));
}

/** Without those that show what may be somebody's: they tell whose. And those of sessions whose records cannot be read. */
function nobodys(
  {driver, layout, sessions}: Store,
  mounts: readonly string[],
  left: readonly Left[],
): string[] {
  if (mounts.length === 0) return [];
  const undecided = driver.mountPoints(left.map(({volume}) => volume.id));
  const unread = new Set(sessions.damaged().map(({path}) => basename(path, '.json')));
  return mounts.filter((id) => !undecided.has(layout.mount(id)) && !unread.has(id));
}

async function deadSessions(
  store: Store,
  {
    roots,
    volumes,
    unfinished,
    unsure,
    remembered,
  }: {
    roots: Roots;
    volumes: readonly VolumeInfo[];
    unfinished: readonly VersionRecord[];
    unsure: readonly VersionRecord[];
    remembered: ReadonlySet<string>;
  },
): Promise<Leftover[]> {
  // What became a version is known by that version's record; so while one cannot be read, what a dead session has frozen
  // may belong to it.
  const undecided = new Set([...(await inDoubt(store, roots, volumes)), ...unsure.map(({volume}) => volume)]);
  const never = new Set(unfinished);
  // What became a version that a tag has named belongs to that version.
  const published = new Set(
    roots.versions.filter((version) => !never.has(version)).map(({volume}) => volume),
  );
  return roots.dead
    .filter((record) => !volumesOf(record).some((id) => undecided.has(id)))
    .map((record) => ({
      kind: 'dead-session',
      what: `session ${record.id} of ${record.image}: its process (pid ${record.owner.pid}) is gone`,
      fix: 'remove its clone',
      collect: () => {
        refuseUndone(store, record, unfinished);
        return discardDead(
          store,
          record,
          volumesOf(record).filter((id) => published.has(id) || remembered.has(id)),
          {wait: true},
        );
      },
    }));
}

/**
 * A version that never happened goes before its session. Where it cannot, its record may yet bring it into being, as when
 * tags are made anew; so its volume stays, and the session that says that it never happened. @throws ChrootctlError BUSY
 */
function refuseUndone(store: Store, record: SessionRecord, unfinished: readonly VersionRecord[]): void {
  const own = volumesOf(record);
  const undone = unfinished.find(
    ({image, id, volume}) => own.includes(volume) && store.image(image).hasRecord(id),
  );
  if (undone !== undefined)
    throw new ChrootctlError('BUSY', `its commit of ${undone.image}@${undone.id} has not been taken back`);
}

function deadExecs({execs}: Store): Leftover[] {
  return execs.dead().map((record) => ({
    kind: 'dead-exec',
    what: `a command in session ${record.session}: its process (pid ${record.owner.pid}) is gone`,
    fix: 'remove its record',
    collect: () => {
      execs.drop(record);
      return Promise.resolve();
    },
  }));
}

function orphans({driver}: Store, volumes: readonly VolumeInfo[]): Leftover[] {
  return batch(
    volumes.map(({id}) => id),
    (id) => ({
      kind: 'orphan-volume',
      what: `volume ${id}: no version and no session names it`,
      fix: 'remove it',
    }),
    (ids) => driver.remove(ids),
  );
}

function deadLimits(): Leftover[] {
  return leftoverLimits().map(({id, path}) => ({
    kind: 'control-group',
    what: `control group ${path}: its maker is gone`,
    fix: 'remove it',
    collect: () => {
      removeLimits(id);
      return Promise.resolve();
    },
  }));
}

/**
 * Records that a crash tore. Only a run's is written without waiting for the disk, and all there was of it has ended with
 * the machine. One that may have been another's stays for as long as there is something that it could have named.
 */
function tornOf({sessions, execs}: Store, left: readonly Left[]): {path: string}[] {
  const mayNameKept = left.some(({volume}) => !volume.ephemeral);
  return [...(mayNameKept ? [] : sessions.damaged()), ...execs.damaged()].filter(
    ({path, torn}) => torn && isOld(path),
  );
}
