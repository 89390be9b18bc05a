/** Throwing a session away: its mount, its volumes, and its record last, so that an interrupted end can be resumed. */
import type {SessionRecord} from '../store/records.ts';
import {volumesOf} from '../store/sessions.ts';
import type {Store} from '../store/store.ts';
import {isSelf} from '../system/identity.ts';
import {unmountRoot} from './root.ts';
import {assertUnused} from './running.ts';

/**
 * For the session's owner, the holder of its lock, or anybody once it is dead. Idempotent. Volumes that became
 * versions are not the session's any more: `keep` names them.
 * @param wait until all is deleted; else a large volume goes on being deleted by a process of its own
 * @param isUnmounted by the caller, who holds the session's lock since
 * @throws ChrootctlError BUSY
 */
export async function discard(
  store: Store,
  record: SessionRecord,
  keep: readonly string[] = [],
  {wait = false, isUnmounted = false}: {wait?: boolean; isUnmounted?: boolean} = {},
): Promise<void> {
  // That of a command that ended is mounted in a namespace that is gone by now.
  if (record.kind === 'session' && !isUnmounted) await unmountRoot(store, record);
  // Nobody else changes it any more.
  if (record.kind === 'session' || !isSelf(record.owner)) await store.driver.takeOver?.(...volumesOf(record));
  for (const volume of volumesOf(record)) {
    if (!keep.includes(volume)) await (wait ? store.driver.remove(volume) : store.driver.discard(volume));
  }
  store.sessions.unshare(record);
  store.sessions.drop(record.id);
}

/**
 * The same for what the session's owner left behind, by anybody. Gives false when there is nothing left behind: its owner
 * has kept it at last, or somebody else was here first, and a session of that name may be another one.
 * @throws ChrootctlError BUSY while a command runs in one that the owner shared
 */
export async function discardDead(
  store: Store,
  record: SessionRecord,
  keep: readonly string[],
  options?: {wait: boolean},
): Promise<boolean> {
  const work = async (): Promise<boolean> => {
    const last = store.sessions.leftBehind(record);
    if (last?.volume !== record.volume) return false;
    if (last.shared === true) assertUnused(store, last.id);
    await discard(store, last, keep, options);
    return true;
  };
  // Others may want the name of a session; the id of a command's clone is nobody else's.
  return record.kind === 'session' ? store.sessions.locked(record.id, work) : work();
}
