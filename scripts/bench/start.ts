import {join} from 'node:path';
import {writeFileSync} from 'node:fs';
import {callChrootctl, chrootctl, unpack} from './programs.ts';
import type {Section, SectionMaker} from './section.ts';

/** How long it takes to do nothing, beside the two things that cannot be done without. */
export const start: SectionMaker = ({directory, rootTar}): Section => {
  const store = join(directory, 'store');
  callChrootctl(store, 'import', rootTar, 'debian');
  const root = unpack(rootTar, join(directory, 'root'));
  const empty = join(directory, 'empty.mjs');
  writeFileSync(empty, '');
  const isolation = ['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--die-with-parent'];
  const bwrap = ['bwrap', '--bind', root, '/', '--proc', '/proc', '--dev', '/dev', ...isolation, 'true'];
  return {
    title: 'Start',
    about:
      '`true` in a throw-away clone of a Debian root, beside an empty Node program and bubblewrap on the same root ' +
      'without any clone.',
    rounds: 21,
    cases: [
      {name: 'empty Node program', command: () => ({words: [process.execPath, empty]})},
      {name: 'bubblewrap alone', command: () => ({words: bwrap}), hasCpu: false},
      {name: 'chrootctl --version', command: () => chrootctl(store, '--version')},
      {name: 'chrootctl run', command: () => chrootctl(store, 'run', 'debian', '--', 'true')},
    ],
    comparisons: [
      {of: 'chrootctl --version', to: 'empty Node program'},
      {of: 'chrootctl run', to: 'empty Node program'},
      {of: 'chrootctl run', to: 'bubblewrap alone'},
    ],
  };
};
