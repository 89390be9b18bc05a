/** schroot, whose places are fixed: its data is kept on our file system for the time of a section. */
import {mkdirSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {call} from '../harness/processes.ts';
import {unpack} from '../harness/programs.ts';
import type {Command} from '../harness/section.ts';
import type {Peer, SessionKeeper} from './peer.ts';

const DATA = '/var/lib/schroot';
const CONFIGURATION = '/etc/schroot/chroot.d';
const NAME = 'chrootctl-bench';

export const schroot: Peer<SessionKeeper> = {
  name: 'schroot',
  packages: ['schroot'],
  makeReady: ({directory, rootTar, atEnd}) => {
    const schroot = (...words: string[]): Command => ({words: ['schroot', '-q', ...words]});
    const inside = (words: string[], ...from: string[]): Command =>
      schroot(...from, '-u', 'root', '-d', '/', '--', ...words);
    const sessions = (): string[] => readdirSync(join(DATA, 'session'));
    if (sessions().length > 0) throw new Error('there are sessions of schroot already');
    const data = join(directory, 'schroot');
    call({words: ['cp', '-a', DATA, data]});
    call({words: ['mount', '--bind', data, DATA]});
    atEnd(() => void call({words: ['umount', DATA]}));
    atEnd(() => {
      for (const session of sessions()) call(schroot('-e', '-c', session));
    });
    const settings = {
      type: 'directory',
      directory: unpack(rootTar, join(directory, 'schroot-root')),
      'union-type': 'overlay',
      profile: 'minimal',
      'root-users': 'root',
    };
    const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
    const file = join(CONFIGURATION, NAME);
    mkdirSync(CONFIGURATION, {recursive: true});
    atEnd(() => rmSync(file, {force: true}));
    writeFileSync(file, [`[${NAME}]`, ...lines, ''].join('\n'));
    return {
      run: (...words) => inside(words, '-c', NAME),
      begin: (session) => schroot('-b', '-c', NAME, '-n', session),
      exec: (session, ...words) => inside(words, '-r', '-c', session),
      end: (session) => schroot('-e', '-c', session),
    };
  },
};
