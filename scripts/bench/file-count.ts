import {execFileSync} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {busyboxRoot} from '../../test/cli/chrootctl.ts';
import type {Case} from './case.ts';
import {callChrootctl, chrootctl} from './programs.ts';
import {A_THIRD, type Section, type SectionMaker} from './section.ts';
import {addFiles, addVersion, openStore} from '../../test/cli/stores.ts';

const FEW = 1_000;

/** Does the number of files in a root matter? */
export const fileCount: SectionMaker = async ({directory, isQuick}): Promise<Section> => {
  const many = isQuick ? 100_000 : 500_000;
  const root = join(directory, 'store');
  const store = await openStore(root);
  const busybox = busyboxRoot();
  const cases: Case[] = [];
  for (const files of [FEW, many]) {
    const image = `files-${files}`;
    await addVersion(
      store,
      image,
      (layer) => {
        execFileSync('cp', ['-a', `${busybox}/.`, layer]);
        addFiles(layer, files);
      },
      {tag: 'first'},
    );
    callChrootctl(root, 'session', 'begin', `${image}:first`, '--name', image);
    const session = callChrootctl(root, 'session', 'path', image);
    const change = (round: number): string[] => ['sh', '-c', `echo ${round} > /changed`];
    cases.push(
      {name: named('run', files), command: () => chrootctl(root, 'run', `${image}:first`, '--', 'true')},
      {
        name: named('run --commit', files),
        // Always from the same version: the depth is another section's.
        command: (round) =>
          chrootctl(root, 'run', `${image}:first`, '--commit', '--force', '--', ...change(round)),
      },
      {
        name: named('commit', files),
        prepare: (round) => writeFileSync(join(session, 'changed'), `${round}`),
        command: () => chrootctl(root, 'commit', image, '--force'),
      },
    );
  }
  return {
    title: 'Files in a root',
    about: 'A run, a run that commits one changed file, and a commit of one changed file in a kept session.',
    rounds: 15,
    cases,
    comparisons: ['run', 'run --commit', 'commit'].map((what) => ({
      of: named(what, many),
      to: named(what, FEW),
      most: A_THIRD,
    })),
  };
};

function named(what: string, files: number): string {
  return `${what}, ${files.toLocaleString('en')} files`;
}
