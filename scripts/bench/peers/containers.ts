/** What docker and podman have in common, which is nearly the whole command line. */
import type {Command} from '../case.ts';
import {call} from '../processes.ts';
import type {ReadyPeer} from './peer.ts';

export interface Client {
  /** The program, with what every call needs. */
  client: readonly string[];
  /** What every container needs. */
  options: readonly string[];
  imagePrefix: string;
  /** Ends a container at once. */
  remove: readonly string[];
}

/** `client` as a peer. */
export function containerPeer({client, options, imagePrefix, remove}: Client): ReadyPeer {
  const command = (...words: readonly string[]): Command => ({words: [...client, ...words]});
  const image = (root: string): string => `${imagePrefix}${root}:bench`;
  const importTar = (root: string, tar: string): Command => command('import', tar, image(root));
  const exported = 'to-be-exported';
  let isExportReady = false;
  return {
    addRoot: (root, tar) => void call(importTar(root, tar)),
    run: (root, ...words) => command('run', '--rm', ...options, image(root), ...words),
    hasCpu: false,
    sessions: {
      begin: (root, session) =>
        command('run', '-d', '--name', session, ...options, image(root), 'sleep', 'infinity'),
      exec: (session, ...words) => command('exec', session, ...words),
      end: (session) => command(...remove, session),
    },
    commits: {
      commit: (session, root) => command('commit', session, image(root)),
      runAndCommit: (from, to, ...words) => {
        const container = `making-${to}`;
        const steps = [
          command('run', '--name', container, ...options, image(from), ...words),
          command('commit', container, image(to)),
          command('rm', container),
        ];
        return {words: ['sh', '-c', steps.map((step) => quote(step.words)).join(' && ')]};
      },
    },
    archives: {
      importTar,
      exportTar: (root, tar) => {
        // Only a container can be exported.
        if (!isExportReady) call(command('create', '--name', exported, ...options, image(root), 'true'));
        isExportReady = true;
        return command('export', '-o', tar, exported);
      },
    },
  };
}

/** For a shell. */
function quote(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(' ');
}
