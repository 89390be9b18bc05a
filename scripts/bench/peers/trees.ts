/** What runs a command in a tree of files, and keeps nothing. */
import {join} from 'node:path';
import {unpack} from '../harness/programs.ts';
import type {Peer} from './peer.ts';

/** `wordsOf` leads to a command in the tree at a path. */
function runner(name: string, packages: string[], wordsOf: (tree: string) => string[]): Peer {
  return {
    name,
    packages,
    makeReady: ({directory, rootTar}) => {
      const tree = unpack(rootTar, join(directory, packages.join()));
      return {run: (...words) => ({words: [...wordsOf(tree), ...words]})};
    },
  };
}

/** With an overlay that is forgotten; neither of its helpers, machined and logind, is asked. */
export const nspawn = runner('systemd-nspawn', ['systemd-container'], (tree) => [
  ...['systemd-nspawn', '-q', '--register=no', '--keep-unit', '--volatile=overlay', '-D', tree, '--'],
]);

/** The floor: what shuts a command in for chrootctl too, alone, and on a root that is not cloned. */
export const bubblewrap = runner('bubblewrap alone', ['bubblewrap'], (tree) => [
  ...['bwrap', '--bind', tree, '/', '--proc', '/proc', '--dev', '/dev'],
  ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--die-with-parent'],
]);
