import {mkdirSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {callChrootctl, chrootctl, unpack, unpackingWords} from './programs.ts';
import type {Section, SectionMaker} from './section.ts';

/** Getting a root in and out, beside what tar(1) needs for the same. */
export const archives: SectionMaker = ({directory, rootTar}): Section => {
  const store = join(directory, 'store');
  callChrootctl(store, 'import', rootTar, 'debian');
  const root = unpack(rootTar, join(directory, 'root'));
  const out = join(directory, 'out.tar');
  const packing = ['tar', '-C', root, '--numeric-owner', '--xattrs', '-cf', out, '.'];
  const place = (kind: string, round: number): string => join(directory, `${kind}-${round}`);
  const removeOut = (): void => rmSync(out, {force: true});
  // Nothing is removed between the rounds but the one large file: see ground.ts.
  return {
    title: 'Import and export',
    about:
      'A Debian root from and to an uncompressed tar. What is imported or exported is on the disk when the command ' +
      'ends, which tar alone does not see to.',
    rounds: 7,
    cases: [
      {
        name: 'tar -x',
        prepare: (round) => mkdirSync(place('tar', round)),
        command: (round) => ({words: unpackingWords(rootTar, place('tar', round))}),
      },
      {
        name: 'tar -x and sync',
        prepare: (round) => mkdirSync(place('synced', round)),
        command: (round) => ({
          words: [
            ...['sh', '-c', '"$@" && sync --file-system "$0"', directory],
            ...unpackingWords(rootTar, place('synced', round)),
          ],
        }),
      },
      {
        name: 'import',
        command: (round) => chrootctl(store, 'import', rootTar, `debian-${round}`),
        hasCpu: false,
      },
      {
        name: 'tar -c',
        prepare: removeOut,
        command: () => ({words: packing}),
      },
      {
        name: 'tar -c and sync',
        prepare: removeOut,
        command: () => ({words: ['sh', '-c', '"$@" && sync "$0"', out, ...packing]}),
      },
      {
        name: 'export',
        prepare: removeOut,
        command: () => chrootctl(store, 'export', 'debian', out),
        hasCpu: false,
      },
    ],
    comparisons: [
      {of: 'import', to: 'tar -x'},
      {of: 'import', to: 'tar -x and sync'},
      {of: 'export', to: 'tar -c'},
      {of: 'export', to: 'tar -c and sync'},
    ],
  };
};
