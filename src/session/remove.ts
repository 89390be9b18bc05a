/** Removing a session whatever its state. */
import {ChrootctlError} from '../errors.ts';
import {withReserve} from '../store/reserve.ts';
import type {SessionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {isSelf, type Owner} from '../system/identity.ts';
import {describeOwner, find, kill} from '../system/owners.ts';
import type {Process} from '../system/processes.ts';
import {endSession} from './commit.ts';
import {discard, discardDead} from './discard.ts';
import {versionsMade} from './interrupted.ts';
import {UNSEEN_HINT} from './running.ts';

/**
 * @throws ChrootctlError NOT_FOUND; BUSY while something runs in it, unless `force` is given: then that is killed
 */
export async function removeSession(
  store: Store,
  id: string,
  {force = false}: {force?: boolean} = {},
): Promise<void> {
  return withReserve(store.layout, () => remove(store, id, force));
}

async function remove(store: Store, id: string, force: boolean): Promise<void> {
  let record = store.sessions.get(id);
  if (store.sessions.isDead(record)) {
    if (force) await killRunning(store, id);
    if (await discardedDead(store, record)) return;
    record = store.sessions.get(id); // Its owner has kept it at last.
  }
  if (record.ephemeral) {
    if (!force) {
      throw new ChrootctlError('BUSY', `session ${id} is running (${describeOwner(record.owner)})`, {
        hint: 'wait until it ends, or kill it with --force',
      });
    }
    await killAll(id, [record.owner]);
    await killRunning(store, id);
    if (await discardedDead(store, record)) return;
  }
  if (force) await killRunning(store, id);
  await endSession(store, id);
}

/** Ends a session of ours that others run commands in, and what runs in it. Idempotent. @throws ChrootctlError BUSY */
export async function endShared(store: Store, id: string): Promise<void> {
  return withReserve(store.layout, () =>
    // While it is locked no other command begins, and those that wait for that find nothing.
    store.sessions.locked(id, async () => {
      const record = store.sessions.find(id);
      if (record === undefined) return;
      await killRunning(store, id);
      await discard(store, record);
    }),
  );
}

/**
 * Kills what runs in a session that is kept or shared.
 * @throws ChrootctlError BUSY for what is not to be found or not to be killed
 */
export async function killRunning(store: Store, id: string): Promise<void> {
  await killAll(
    id,
    store.execs.runningIn(id).map(({owner}) => owner),
  );
}

/**
 * Discards what the session's owner left behind; false when that is a session that is kept. Its end may have come after
 * its commit: what became a version is not the session's any more.
 */
async function discardedDead(store: Store, record: SessionRecord): Promise<boolean> {
  const last = store.sessions.leftBehind(record);
  if (last === undefined) return store.sessions.find(record.id) === undefined;
  return discardDead(store, last, [...(await versionsMade(store, last)).keys()]);
}

/**
 * What a runner runs dies with it, so it is enough to kill the runners.
 * @throws ChrootctlError BUSY for one that is not to be found or not to be killed; the former before any is
 */
async function killAll(id: string, owners: readonly Owner[]): Promise<void> {
  const targets = owners.map((owner) => ({owner, found: findToKill(id, owner)}));
  for (const {owner, found} of targets) {
    if (found === 'ended' || (await kill(owner, found))) continue;
    throw new ChrootctlError(
      'BUSY',
      `session ${id} is in use by a process that does not end (pid ${found.pid})`,
      {
        hint: 'it waits in the kernel, for a disk or for a server: try again later',
      },
    );
  }
}

function findToKill(id: string, owner: Owner): Process | 'ended' {
  if (isSelf(owner)) {
    throw new ChrootctlError('BUSY', `session ${id} is in use by this process itself`, {
      hint: 'wait until it ends',
    });
  }
  const found = find(owner);
  if (found !== 'unseen') return found;
  throw new ChrootctlError('BUSY', `session ${id} is in use (${describeOwner(owner)})`, {hint: UNSEEN_HINT});
}
