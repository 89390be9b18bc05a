/** schroot, whose places are fixed: its data is kept on our file system for the time of a section. */
import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {call} from '../processes.ts';
import {unpack} from '../programs.ts';
import type {Ground} from '../section.ts';
import type {Peer} from './peer.ts';

const DATA = '/var/lib/schroot';
const CONFIGURATION = '/etc/schroot/chroot.d';
const PREFIX = 'chrootctl-bench-';

export const schroot: Peer = {
  name: 'schroot',
  packages: ['schroot'],
  makeReady: ({directory, atEnd}: Ground) => {
    if (readdirSync(join(DATA, 'session')).length > 0)
      throw new Error('there are sessions of schroot already');
    const data = join(directory, 'schroot');
    execFileSync('cp', ['-a', DATA, data]);
    execFileSync('mount', ['--bind', data, DATA]);
    atEnd(() => void call({words: ['umount', DATA]}));
    atEnd(() => {
      for (const session of readdirSync(join(DATA, 'session')))
        call({words: ['schroot', '-q', '-e', '-c', session]});
    });
    const inside = (kind: string[], words: string[]): string[] => [
      ...['schroot', '-q', ...kind, '-u', 'root', '-d', '/', '--'],
      ...words,
    ];
    return {
      addRoot: (root, tar) => {
        const place = unpack(tar, join(directory, 'schroot-roots', root));
        const name = `${PREFIX}${root}`;
        const file = join(CONFIGURATION, name);
        atEnd(() => rmSync(file, {force: true}));
        mkdirSync(CONFIGURATION, {recursive: true});
        const settings = {
          type: 'directory',
          directory: place,
          'union-type': 'overlay',
          profile: 'minimal',
          'root-users': 'root',
        };
        const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
        writeFileSync(file, [`[${name}]`, ...lines, ''].join('\n'));
      },
      run: (root, ...words) => ({words: inside(['-c', `${PREFIX}${root}`], words)}),
      hasCpu: true,
      sessions: {
        begin: (root, session) => ({words: ['schroot', '-q', '-b', '-c', `${PREFIX}${root}`, '-n', session]}),
        exec: (session, ...words) => ({words: inside(['-r', '-c', session], words)}),
        end: (session) => ({words: ['schroot', '-q', '-e', '-c', session]}),
      },
    };
  },
};
