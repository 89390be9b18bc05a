/** Throwing a session away: its mount, its volumes, and its record last, so that an interrupted end can be resumed. */
import type {SessionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {unmountRoot} from './root.ts';

/**
 * For the session's owner, the holder of its lock, or anybody once it is dead. Idempotent. Volumes that became
 * versions are not the session's any more: `keep` names them.
 * @param wait until all is deleted; else a large volume goes on being deleted by a process of its own
 * @throws ChrootctlError BUSY
 */
export async function discard(
  store: Store,
  record: SessionRecord,
  keep: readonly string[] = [],
  {wait = false}: {wait?: boolean} = {},
): Promise<void> {
  // That of a command that ended is mounted in a namespace that is gone by now.
  const isSession = record.kind === 'session';
  if (isSession) await unmountRoot(store, record.id);
  for (const volume of [record.volume, ...record.pending]) {
    if (!keep.includes(volume)) await (wait ? store.driver.remove(volume) : store.driver.discard(volume));
  }
  store.sessions.drop(record.id);
  if (isSession) store.sessions.dropLock(record.id);
}
