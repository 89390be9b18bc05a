/** The sessions, as users see them. */
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

/** Oldest first. */
export function listSessions(store: Store): ListedSession[] {
  const mounted = new Set(mountsOf().map(({mountPoint}) => mountPoint));
  const busy = new Map(store.sessions.execs().map((exec) => [exec.session, exec.command]));
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
