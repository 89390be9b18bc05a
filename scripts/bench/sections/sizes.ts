/** Sizes that should not matter: the same commands where there is little of something, and much. */
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {busyboxRoot} from '../../../test/cli/chrootctl.ts';
import * as stores from '../../../test/cli/stores.ts';
import type {Store} from '../../../src/store/store.ts';
import {call} from '../harness/processes.ts';
import {chrootctlOn, synced} from '../harness/programs.ts';
import type {Case, Cases, Command, Comparison, Limit, Section, SectionMaker} from '../harness/section.ts';

type Program = (...args: string[]) => Command;

interface Sizes extends Pick<Section, 'title' | 'about'> {
  /** The first one is what the others are compared with. */
  sizes: readonly number[];
  /** What there is so much of. */
  unit: string;
  /** Fills a store in which there is an image `base`, of one version, with busybox. */
  fill: (store: Store, size: number) => void | Promise<void>;
  casesOf: (chrootctl: Program, directory: string) => Cases;
  /** For cases with more of it, in relation to those with the least. */
  promised: Readonly<Record<string, Limit>>;
  /** What holds at every size besides. */
  each?: (named: (what: string) => string) => Comparison;
}

/** In a quick benchmark. */
const MOST = 100_000;

const A_THIRD = {ratio: 4 / 3};
const A_TENTH = {ratio: 1.1};

/** A run, and one that commits. */
const runs = (chrootctl: Program): Record<'run' | 'run --commit', Cases[string]> => ({
  run: {command: () => chrootctl('run', 'base', '--', 'true')},
  'run --commit': {
    command: (round) => chrootctl('run', 'base', '--commit', '--', 'sh', '-c', `echo ${round} > /changed`),
  },
});

export const files = comparing({
  title: 'Files in a root',
  about:
    'A run, a run that commits one changed file, and a commit of one changed file in a kept session; and what the file ' +
    'system needs until a small file is on the disk.',
  sizes: [1_000, 500_000],
  unit: 'files',
  fill: (store, size) => addOnTop(store, (layer) => stores.addFiles(layer, size)),
  casesOf: (chrootctl, directory) => {
    call(chrootctl('session', 'begin', 'base', '--name', 'kept'));
    const changed = join(call(chrootctl('session', 'path', 'kept')), 'changed');
    const alone = join(directory, 'alone');
    return {
      ...runs(chrootctl),
      commit: {
        prepare: (round) => writeFileSync(changed, `${round}`),
        // Other commits have been made since the session began.
        command: () => chrootctl('commit', 'kept', '--force'),
      },
      sync: {command: (round) => synced({words: ['sh', '-c', `echo ${round} > "$0"`, alone]}, directory)},
    };
  },
  promised: {run: A_THIRD, 'run --commit': A_THIRD, commit: A_THIRD},
  each: (named) => ({
    of: [named('run --commit')],
    to: [named('run'), named('sync')],
    most: {milliseconds: 40},
  }),
});

export const records = comparing({
  title: 'Records in a store',
  about:
    'A run, and one that commits, in stores with so many versions of the image, other images, and kept sessions.',
  sizes: [10, 10_000],
  unit: 'of each',
  fill: (store, size) => {
    stores.addEarlierVersions(store, 'base', size);
    stores.addImages(store, size);
    stores.addSessions(store, 'base', size);
  },
  casesOf: runs,
  promised: {run: A_TENTH, 'run --commit': A_THIRD},
});

export const depth = comparing({
  title: 'Depth of history',
  about: 'A run in a version that came after so many commits, each of which added a file.',
  sizes: [1, 50, 300],
  unit: 'deep',
  fill: async (store, size) => {
    for (let commit = 2; commit <= size; commit++)
      await addOnTop(store, (layer) => writeFileSync(join(layer, `commit-${commit}`), `${commit}\n`));
  },
  casesOf: (chrootctl) => ({run: runs(chrootctl).run}),
  promised: {run: A_THIRD},
});

export const listing = comparing({
  title: 'Listing',
  about: '`images --json` of an image with so many versions, not for the first time: that makes the index.',
  sizes: [10, 1_000, 10_000],
  unit: 'versions',
  fill: async (store, size) => {
    stores.addEarlierVersions(store, 'base', size - 1);
    // A record is told of in the index when it is a few seconds old. Nobody makes so many in less.
    await sleep(2_500);
  },
  casesOf: (chrootctl) => ({images: {command: () => chrootctl('images', '--json')}}),
  promised: {images: {milliseconds: 60}},
});

function comparing({title, about, sizes, unit, fill, casesOf, promised, each}: Sizes): SectionMaker {
  return async ({directory, isQuick}) => {
    const [least = 0, ...more] = sizes.map((size) => (isQuick ? Math.min(size, MOST) : size));
    const named = (what: string, size: number): string => `${what}, ${size.toLocaleString('en')} ${unit}`;
    const cases: Case[] = [];
    const comparisons: Comparison[] = [];
    for (const size of [least, ...more]) {
      const root = join(directory, `store-${size}`);
      const chrootctl: Program = (...args) => chrootctlOn(root, ...args);
      call(chrootctl('import', busyboxRoot(), 'base'));
      await fill(await stores.openStore(root), size);
      for (const [what, one] of Object.entries(casesOf(chrootctl, directory)))
        cases.push({...one, name: named(what, size)});
      for (const [what, most] of size === least ? [] : Object.entries(promised))
        comparisons.push({of: [named(what, size)], to: [named(what, least)], most});
      if (each !== undefined) comparisons.push(each((what) => named(what, size)));
    }
    return {title, about, rounds: 15, cases, comparisons};
  };
}

/** A version that adds what `fill` writes to the latest one. */
async function addOnTop(store: Store, fill: (layer: string) => void): Promise<void> {
  await stores.addVersion(store, 'base', fill, {parent: store.image('base').refs().tags['latest'] ?? ''});
}
