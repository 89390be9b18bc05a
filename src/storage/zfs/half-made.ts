/**
 * zfs-create(8) and zfs-clone(8) make a dataset in one transaction and give it its properties in the next. A power cut
 * between the two leaves one without our mark. It is taken for ours, and for an active volume that ends with its
 * command, when its name is one that we may have made and nothing was ever written to it: nobody loses anything with it.
 *
 * Somebody may be between the two transactions at this moment. To look into his dataset would keep him from mounting it
 * for as long as that takes; so one that is young, and of this boot, is left alone.
 */
import {readdirSync} from 'node:fs';
import {uptime} from 'node:os';
import {isRandomId} from '../../ids.ts';
import {withMounted} from '../../system/view.ts';
import {changesBetween} from '../trees/changes.ts';
import {zfs} from './command.ts';
import type {Dataset} from './listing.ts';
import {datasetOf, lastPart, type Room} from './names.ts';

/** How long the rest of making a dataset may take, with all that a host may be busy with. */
export const YOUNG_MS = 60_000;

/**
 * Takes them for ours in `datasets`, and marks those that may become whole at any moment.
 * @param directory where they may be mounted to look at them, out of others' sight
 * @param young milliseconds for which nobody looks into one
 */
export async function adoptHalfMade(
  room: Room,
  datasets: readonly Dataset[],
  {directory, young}: {directory: string; young: number},
): Promise<void> {
  const ours = new Set(datasets.flatMap(({id, name}) => (id === undefined ? [] : [name])));
  for (const dataset of datasets) {
    const {name, id, origin, snapshots} = dataset;
    const isAtPlace = isRandomId(lastPart(name)) && name === room.volume(lastPart(name));
    if (id !== undefined || !isAtPlace || snapshots.length > 0) continue;
    if (origin !== null && !ours.has(datasetOf(origin))) continue;
    const {isBare, made} = await propertiesOf(name);
    if (!isBare) continue;
    // One that says it was made in the future has no age to go by.
    dataset.unsettled = made >= Date.now() - uptime() * 1000 && Date.now() - made < young;
    if (dataset.unsettled || (await isWrittenTo(name, origin, directory))) continue;
    Object.assign(dataset, {id: lastPart(name), ephemeral: true} satisfies Partial<Dataset>);
  }
}

/**
 * Who makes a dataset by hand where nothing is mounted by itself has to say where it should be: such a one is not bare.
 * `made`: when, in milliseconds since the epoch.
 */
async function propertiesOf(dataset: string): Promise<{isBare: boolean; made: number}> {
  const text = await zfs('get', '-Hp', '-o', 'property,value,source', 'all', dataset);
  const rows = text.split('\n').map((row) => row.split('\t'));
  return {
    isBare: rows.every(([, , source = '']) => source !== 'local' && source !== 'received'),
    made: 1000 * Number(rows.find(([property]) => property === 'creation')?.[1]),
  };
}

/** ZFS counts some blocks as written even to a clone that nobody has mounted yet; so the trees are compared. */
async function isWrittenTo(dataset: string, origin: string | null, directory: string): Promise<boolean> {
  const withTree = <T>(source: string, work: (tree: string) => Promise<T>): Promise<T> =>
    withMounted(
      {
        type: 'zfs',
        source,
        options: ['noatime', 'ro'],
        workingDirectory: directory,
        layers: [],
        contended: true,
      },
      work,
    );
  return withTree(dataset, async (tree) =>
    origin === null ? readdirSync(tree).length > 0 : withTree(origin, (before) => isDifferent(before, tree)),
  );
}

async function isDifferent(before: string, tree: string): Promise<boolean> {
  const enough = (found: number): boolean => found > 0;
  return (await Array.fromAsync(changesBetween([before], [tree], {enough}))).length > 0;
}
