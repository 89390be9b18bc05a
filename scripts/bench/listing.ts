import {join} from 'node:path';
import {busyboxRoot} from '../../test/cli/chrootctl.ts';
import {callChrootctl, chrootctl} from './programs.ts';
import type {Section, SectionMaker} from './section.ts';
import {addEarlierVersions, openStore} from '../../test/cli/stores.ts';

const COUNTS = [10, 1_000, 10_000] as const;

/** How long it takes to list a long history. */
export const listing: SectionMaker = async ({directory}): Promise<Section> => {
  const busybox = busyboxRoot();
  const storeOf = (count: number): string => join(directory, `store-${count}`);
  for (const count of COUNTS) {
    callChrootctl(storeOf(count), 'import', busybox, 'base');
    addEarlierVersions(await openStore(storeOf(count)), 'base', count - 1);
  }
  return {
    title: 'Listing',
    about: '`images --json` of an image with so many versions.',
    rounds: 9,
    cases: COUNTS.map((count) => ({
      name: named(count),
      command: () => chrootctl(storeOf(count), 'images', '--json'),
    })),
    comparisons: [
      {of: named(COUNTS[1]), to: named(COUNTS[0])},
      {of: named(COUNTS[2]), to: named(COUNTS[0]), most: {milliseconds: 1_000}},
    ],
  };
};

function named(count: number): string {
  return `images, ${count.toLocaleString('en')} versions`;
}
