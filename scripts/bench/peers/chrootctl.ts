/** The one that it is all about, as its peers are seen. */
import {join} from 'node:path';
import {callChrootctl, chrootctl} from '../programs.ts';
import type {Ground} from '../section.ts';
import type {Archives, Commits, ReadyPeer, Sessions} from './peer.ts';

/** With all that it can do, in a store of its own. */
export function readyChrootctl({
  directory,
}: Ground): ReadyPeer & {sessions: Sessions; commits: Commits; archives: Archives} {
  const store = join(directory, 'chrootctl');
  return {
    addRoot: (root, tar) => void callChrootctl(store, 'import', tar, `${root}:first`),
    run: (root, ...words) => chrootctl(store, 'run', `${root}:first`, '--', ...words),
    hasCpu: true,
    sessions: {
      begin: (root, session) => chrootctl(store, 'session', 'begin', `${root}:first`, '--name', session),
      exec: (session, ...words) => chrootctl(store, 'exec', session, '--', ...words),
      end: (session) => chrootctl(store, 'session', 'end', session),
    },
    commits: {
      // Wherever latest is by now: the depth of the history is another section's.
      commit: (session) => chrootctl(store, 'commit', session, '--force'),
      runAndCommit: (from, _to, ...words) =>
        chrootctl(store, 'run', `${from}:first`, '--commit', '--force', '--', ...words),
    },
    archives: {
      importTar: (root, tar) => chrootctl(store, 'import', tar, root),
      exportTar: (root, tar) => chrootctl(store, 'export', root, tar),
    },
  };
}
