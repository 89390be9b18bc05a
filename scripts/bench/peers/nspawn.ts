/** systemd-nspawn with an overlay that is forgotten; neither of its helpers, machined and logind, is asked. */
import {join} from 'node:path';
import {unpack} from '../programs.ts';
import type {Ground} from '../section.ts';
import type {Peer} from './peer.ts';

export const nspawn: Peer = {
  name: 'systemd-nspawn',
  packages: ['systemd-container'],
  makeReady: ({directory}: Ground) => {
    const place = (root: string): string => join(directory, 'nspawn', root);
    return {
      addRoot: (root, tar) => void unpack(tar, place(root)),
      run: (root, ...words) => ({
        words: [
          ...['systemd-nspawn', '-q', '--register=no', '--keep-unit', '--volatile=overlay'],
          ...['-D', place(root), '--', ...words],
        ],
      }),
      hasCpu: true,
    };
  },
};
