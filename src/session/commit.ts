/** A new version from the state of a kept session, which goes on afterwards, based on that version. */
import {afterwards, ChrootctlError} from '../errors.ts';
import {randomId} from '../ids.ts';
import {parseTarget} from '../reference.ts';
import type {Note} from '../storage/ledger.ts';
import {telling, type Done, type Tell} from '../store/commit-point.ts';
import type {SessionRecord} from '../store/records.ts';
import {withReserve} from '../store/reserve.ts';
import type {Store} from '../store/store.ts';
import {isSelf, self} from '../system/identity.ts';
import {LostWrites} from '../system/write-back.ts';
import {explainConflict, isConflict} from './conflict.ts';
import {discard} from './discard.ts';
import {holding} from './holding.ts';
import {continueInClone, isInterrupted, versionsMade} from './interrupted.ts';
import {kept} from './kept.ts';
import {withPaused} from './pause.ts';
import {clearing, ownFiles, putBack, removePlaces} from './places.ts';
import {checkExpected, publish, type CommitOptions, type Committed, type Publication} from './publish.ts';
import {mountVolume, restoreRoot, unmountRoot} from './root.ts';
import {assertUnused} from './running.ts';
import {sandboxesIn, endSandbox, isOccupied, sandboxOf} from './sandbox.ts';

export interface SessionCommitOptions extends CommitOptions {
  /** `IMAGE[:TAG]`; default: the session's image. */
  target?: string | undefined;
}

/** @throws ChrootctlError NOT_FOUND, CONFLICT (the session stays as it was) */
export async function commitSession(
  store: Store,
  id: string,
  options: SessionCommitOptions = {},
): Promise<Committed> {
  return explaining(id, (tell) =>
    store.sessions.locked(id, async () => {
      const isInUse = isUsed(store, kept(store, id)); // Before anything is changed in vain.
      const record = await whole(store, id);
      const publication = {...publicationOf(record, options), tell};
      checkExpected(store.image(publication.image), publication);
      return changing(store, record, async () => {
        // With nothing in it, it is only in the way.
        if (!isInUse) await endSandbox(store, record);
        if (isInUse || (await isHeldElsewhere(store, record))) return commitLive(store, record, publication);
        return holding(store, record.volume, async () =>
          (await unmounted(store, record))
            ? commitIdle(store, record, publication)
            : commitLive(store, record, publication),
        );
      });
    }),
  );
}

/**
 * Ends a session; with `commit` its state becomes a version first.
 * @throws ChrootctlError BUSY while a command runs in it, CONFLICT (the session stays as it was)
 */
export async function endSession(
  store: Store,
  id: string,
  options: {commit?: SessionCommitOptions} = {},
): Promise<Committed | undefined> {
  return explaining(id, (tell) =>
    store.sessions.locked(id, async () => {
      assertUnused(store, id);
      const record = options.commit === undefined ? kept(store, id) : await whole(store, id);
      const publication = options.commit === undefined ? undefined : publicationOf(record, options.commit);
      if (publication !== undefined) checkExpected(store.image(publication.image), publication);
      return changing(store, record, async () => {
        await endSandbox(store, record, {isGentle: publication !== undefined});
        // Before the mount goes, and others go with it.
        const isHeld = publication !== undefined && (await isHeldElsewhere(store, record));
        const leave = (): Promise<void> => unmountRoot(store, record);
        if (publication === undefined) {
          await leave();
          const made = isInterrupted(record) ? await versionsMade(store, record) : undefined;
          await end(store, record, [...(made?.keys() ?? [])], () => tell(endOf(id)));
          return undefined;
        }
        if (isHeld) {
          await leave();
          const {committed, copy} = await publishCopy(store, record, {...publication, tell});
          await end(store, {...record, pending: [copy]}, [copy]);
          return committed;
        }
        const committed = await holding(store, record.volume, async () => {
          await leave();
          const freeze = (note?: Note): Promise<string> => frozen(store, record, note);
          return publish(store, {...publication, tell, freeze});
        });
        await end(store, record, [record.volume]);
        return committed;
      });
    }),
  );
}

function endOf(id: string): Done {
  return {words: `session ${id} is ended`, rest: 'chrootctl gc collects what is left', facts: {session: id}};
}

/**
 * Throws an unmounted session away, those of its volumes excepted that became versions.
 * @param told called when that fails, and its root has gone already
 */
async function end(
  store: Store,
  record: SessionRecord,
  published: readonly string[],
  told?: () => void,
): Promise<void> {
  // Each step has the reserve for itself: a session that is half ended would not be ended again.
  const freeing = (step: () => void | Promise<void>): Promise<void> => withReserve(store.layout, step);
  // From here on it lives no longer than we do: if we die, it is collected.
  await freeing(() => {
    store.sessions.replace({...record, ephemeral: true, owner: self()});
  });
  try {
    await freeing(() => discard(store, record, published, {isUnmounted: true}));
  } catch (error) {
    throw await afterwards(error, async () => {
      const present = await store.driver.list();
      // Without its root it is none any more: it is left for dead.
      if (!present.some(({id}) => id === record.volume)) told?.();
      else if (store.sessions.find(record.id) !== undefined)
        store.sessions.replace({...record, changing: true});
    });
  }
}

/** Whether it lives no longer than we do: it could not be thrown away altogether. */
function isEnding({ephemeral, owner}: SessionRecord): boolean {
  return ephemeral && isSelf(owner);
}

async function explaining<T>(id: string, work: (tell: Tell) => Promise<T>): Promise<T> {
  try {
    return await telling(work);
  } catch (error) {
    if (error instanceof LostWrites) throw untrusted(error, id);
    throw isConflict(error) ? explainConflict(error, id) : error;
  }
}

/** What the disk has lost of it nobody can tell: it is the user's to look at. */
function untrusted(error: LostWrites, id: string): ChrootctlError {
  const told = new ChrootctlError('FAILED', `${error.message}; session ${id} is left as it is`, {
    hint: `it may lack some of what was written: begin a new one, and take over what you have looked at (chrootctl session path ${id})`,
    cause: error,
  });
  told.also.push(...error.also);
  return told;
}

/** Nothing runs in it: its volume becomes the version as it is, and the session goes on in a clone of it. */
async function commitIdle(store: Store, record: SessionRecord, publication: Unfrozen): Promise<Committed> {
  const files = await ownFiles(store, record);
  const committed = await publish(store, {
    ...publication,
    freeze: (note) => frozen(store, record, note),
  });
  const version = committed.image === record.image ? committed.version : record.version;
  const next = await continueInClone(store, {...record, saved: record.volume}, version);
  const places = putBack(await mountVolume(store, next), files);
  if (places.length > 0) store.sessions.replace({...store.sessions.get(record.id), places});
  return committed;
}

/** Something runs in it, or may: its processes are stopped while a copy of its state is taken. */
async function commitLive(store: Store, record: SessionRecord, publication: Unfrozen): Promise<Committed> {
  const {committed, copy} = await publishCopy(store, record, publication);
  const version = committed.image === record.image ? committed.version : record.version;
  store.sessions.replace({...record, version, saved: copy});
  return committed;
}

async function publishCopy(
  store: Store,
  record: SessionRecord,
  publication: Unfrozen,
): Promise<{committed: Committed; copy: string}> {
  const copy = randomId();
  store.sessions.replace({...record, pending: [copy]});
  const committed = await publish(store, {
    ...publication,
    freeze: async (note) => {
      const sandboxes = sandboxesIn(store, record, store.execs.runningIn(record.id));
      const amend = record.places.length === 0 ? undefined : await clearing(store, record);
      await withPaused(sandboxes, () => store.driver.snapshot(record.volume, copy, {note, amend}));
      return copy;
    },
  });
  return {committed, copy};
}

/**
 * Whether anything runs in it.
 * @throws ChrootctlError BUSY for what cannot be stopped for a moment
 */
function isUsed(store: Store, record: SessionRecord): boolean {
  const execs = store.execs.runningIn(record.id);
  sandboxesIn(store, record, execs);
  const sandbox = sandboxOf(store, record);
  return execs.length > 0 || (sandbox !== undefined && isOccupied(sandbox));
}

/** Whether somebody who cannot be found may go on writing in the session's root when it is mounted here no more. */
async function isHeldElsewhere({driver}: Store, {volume}: SessionRecord): Promise<boolean> {
  return (await driver.mayBeHeld?.(volume)) === true;
}

type Unfrozen = Omit<Publication, 'freeze'>;

function publicationOf(
  record: SessionRecord,
  {target, ...options}: SessionCommitOptions,
): Omit<Unfrozen, 'tell'> {
  const {image, tag} = target === undefined ? {image: record.image, tag: null} : parseTarget(target);
  return {
    message: record.command.join(' '),
    ...options,
    tag: tag ?? options.tag,
    labels: {...record.labels, ...options.labels},
    image,
    parent: record.version,
    // A version that starts another image follows nothing there.
    expected: image === record.image ? record.version : null,
    config: record.config,
    action: 'commit',
  };
}

/**
 * Marks the session as changing while `work` takes its root away or copies it. When that failed, what became of it is looked
 * for and the root brought back; where that fails too, the mark stays, for whoever comes next.
 */
async function changing<T>(store: Store, record: SessionRecord, work: () => Promise<T>): Promise<T> {
  store.sessions.replace({...record, changing: true});
  let result: T;
  try {
    result = await work();
  } catch (error) {
    throw await afterwards(error, async () => {
      const after = store.sessions.find(record.id);
      if (after !== undefined && !isEnding(after)) await restoreRoot(store, {...after, changing: true});
    });
  }
  const after = store.sessions.find(record.id);
  if (after?.changing === true) store.sessions.replace({...after, changing: false});
  return result;
}

async function unmounted(store: Store, record: SessionRecord): Promise<boolean> {
  try {
    await unmountRoot(store, record);
    return true;
  } catch (error) {
    // Somebody works in the root, on the host or in a mount namespace of his own: that is no reason not to commit it.
    if (error instanceof ChrootctlError && error.code === 'BUSY') return false;
    throw error;
  }
}

async function frozen(store: Store, record: SessionRecord, note: Note | undefined): Promise<string> {
  await removePlaces(store, record);
  await store.driver.freeze(record.volume, note);
  return record.volume;
}

/** A session in which a commit finds what the session's record says, whatever was interrupted before. */
async function whole(store: Store, id: string): Promise<SessionRecord> {
  const record = kept(store, id);
  if (!isInterrupted(record)) return record;
  await restoreRoot(store, record);
  return kept(store, id);
}
