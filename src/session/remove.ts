/** Removing a session whatever its state. */
import {ChrootctlError} from '../errors.ts';
import {withReserve} from '../store/reserve.ts';
import type {SessionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {isAlive} from '../system/identity.ts';
import {endSession} from './commit.ts';
import {discardDead} from './discard.ts';
import {versionsMade} from './interrupted.ts';

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
    if (await discardedDead(store, record)) return;
    record = store.sessions.get(id); // Its owner has kept it at last.
  }
  if (record.ephemeral) {
    if (!force) {
      throw new ChrootctlError('BUSY', `session ${id} is running (pid ${record.owner.pid})`, {
        hint: 'wait until it ends, or kill it with --force',
      });
    }
    const {owner} = record;
    await killed([owner.pid], () => !isAlive(owner));
    if (await discardedDead(store, record)) return;
  }
  if (force) {
    const owners = store.sessions.execs(id).map(({owner}) => owner.pid);
    await killed(owners, () => store.sessions.execs(id).length === 0);
  }
  await endSession(store, id);
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

const WAIT_MS = 5000;
const PAUSE_MS = 20;

/** What a runner runs dies with it, so it is enough to kill the runners. */
async function killed(pids: readonly number[], gone: () => boolean): Promise<void> {
  const {setTimeout: sleep} = await import('node:timers/promises');
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      // ESRCH: it ended by itself.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
  const deadline = Date.now() + WAIT_MS;
  while (!gone() && Date.now() < deadline) await sleep(PAUSE_MS);
}
