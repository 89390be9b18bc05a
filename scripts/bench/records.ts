import {join} from 'node:path';
import {busyboxRoot} from '../../test/cli/chrootctl.ts';
import type {Case} from './case.ts';
import {callChrootctl, chrootctl} from './programs.ts';
import {A_TENTH, A_THIRD, type Section, type SectionMaker} from './section.ts';
import {addEarlierVersions, addImages, addSessions, openStore} from '../../test/cli/stores.ts';

const FEW = 10;
const MANY = 10_000;

/** Does it matter how much a store holds? */
export const records: SectionMaker = async ({directory}): Promise<Section> => {
  const busybox = busyboxRoot();
  const cases: Case[] = [];
  for (const count of [FEW, MANY]) {
    const root = join(directory, `store-${count}`);
    callChrootctl(root, 'import', busybox, 'base');
    const store = await openStore(root);
    addEarlierVersions(store, 'base', count);
    addImages(store, count);
    addSessions(store, 'base', count);
    cases.push(
      {name: named('run', count), command: () => chrootctl(root, 'run', 'base', '--', 'true')},
      {
        name: named('run --commit', count),
        command: (round) =>
          chrootctl(root, 'run', 'base', '--commit', '--', 'sh', '-c', `echo ${round} > /changed`),
      },
    );
  }
  return {
    title: 'Records in a store',
    about:
      'A run, and one that commits, in stores with so many versions of the image, other images, and kept sessions.',
    rounds: 15,
    cases,
    comparisons: [
      {of: named('run', MANY), to: named('run', FEW), most: A_TENTH},
      {of: named('run --commit', MANY), to: named('run --commit', FEW), most: A_THIRD},
    ],
  };
};

function named(what: string, count: number): string {
  return `${what}, ${count.toLocaleString('en')} of each`;
}
