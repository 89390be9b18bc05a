/** The sessions, as users see them. */
import {ChrootctlError} from '../errors.ts';
import type {SessionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {mountsOf} from '../system/mounts.ts';

/** One session, as `ps --json` shows it. */
export interface ListedSession {
  id: string;
  name: string | null;
  image: string;
  version: string | null;
  /** `running`: a command runs in it; `dead`: its owner has gone, `gc` collects it. */
  state: 'running' | 'idle' | 'dead';
  ephemeral: boolean;
  /** ISO 8601, UTC. */
  created: string;
  /** Where its root is mounted on the host; null for one in a namespace of its own. */
  root: string | null;
  command: string[];
  labels: Record<string, string>;
}

/** The same with what each has written, in bytes on disk. A running one may have written more than the disk has yet. */
export async function listSessionsWithSizes(
  store: Store,
): Promise<(ListedSession & {size: number | null})[]> {
  const volumes = new Map(store.sessions.list().map(({id, volume}) => [id, volume]));
  const all = await store.driver.usages?.();
  const listed: (ListedSession & {size: number | null})[] = [];
  // One after the other: each may start a program, which takes descriptors.
  for (const session of listSessions(store)) {
    const volume = volumes.get(session.id);
    const size = volume === undefined ? null : (all?.get(volume) ?? (await usage(store, volume)));
    listed.push({...session, size});
  }
  return listed;
}

/** Null for a volume that its session has just begun or ended with. */
async function usage(store: Store, volume: string): Promise<number | null> {
  try {
    return await store.driver.usage(volume);
  } catch (error) {
    if (error instanceof ChrootctlError && error.code === 'NOT_FOUND') return null;
    throw error;
  }
}

/** Oldest first. */
export function listSessions(store: Store): ListedSession[] {
  const mounted = new Set(mountsOf().map(({mountPoint}) => mountPoint));
  const busy = new Map(store.execs.running().map((exec) => [exec.session, exec.command]));
  return store.sessions
    .list()
    .sort((a, b) => (a.created < b.created ? -1 : 1))
    .map((record) => ({
      id: record.id,
      name: record.name,
      image: record.image,
      version: record.version,
      state: stateOf(record),
      ephemeral: record.ephemeral,
      created: record.created,
      root: mounted.has(store.layout.mount(record.id)) ? store.layout.mount(record.id) : null,
      command: busy.get(record.id) ?? record.command,
      labels: record.labels,
    }));

  function stateOf(record: SessionRecord): ListedSession['state'] {
    if (store.sessions.isDead(record)) return 'dead';
    return record.ephemeral || busy.has(record.id) ? 'running' : 'idle';
  }
}
