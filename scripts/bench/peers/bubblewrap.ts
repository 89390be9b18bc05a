/** The floor: what shuts a command in for chrootctl too, alone, and on a root that is not cloned. */
import {join} from 'node:path';
import {unpack} from '../programs.ts';
import type {Ground} from '../section.ts';
import type {Peer} from './peer.ts';

export const bubblewrap: Peer = {
  name: 'bubblewrap alone',
  packages: ['bubblewrap'],
  makeReady: ({directory}: Ground) => {
    const place = (root: string): string => join(directory, 'bubblewrap', root);
    const isolation = ['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--die-with-parent'];
    return {
      addRoot: (root, tar) => void unpack(tar, place(root)),
      run: (root, ...words) => ({
        words: [
          ...['bwrap', '--bind', place(root), '/', '--proc', '/proc', '--dev', '/dev', ...isolation],
          ...words,
        ],
      }),
      hasCpu: false,
    };
  },
};
