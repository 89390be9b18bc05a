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

/** What sbuild does in its mode `unshare`: the tar is unpacked, the command runs in it, and it is removed. */
export const unpacked: Peer = {
  name: 'unpack, run, remove (as sbuild: unshare)',
  packages: [],
  makeReady: ({directory, rootTar}) => ({
    run: (...words) => {
      const script = `
        mkdir "$0" && tar -C "$0" --numeric-owner --xattrs -xpf "$1" && tree=$0 && shift &&
        unshare --mount --pid --fork --ipc --uts chroot "$tree" "$@" && rm -rf "$tree"`;
      return {words: ['sh', '-c', script, join(directory, 'unpacked'), rootTar, ...words]};
    },
  }),
};
