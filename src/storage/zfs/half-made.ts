/**
 * zfs-create(8) and zfs-clone(8) make a dataset in one transaction and give it its properties in the next. A power cut
 * between the two leaves one without our mark. It is taken for ours, and for an active volume that ends with its
 * command, when its name is one that we may have made and nothing was ever written to it: nobody loses anything with it.
 */
import {readdirSync} from 'node:fs';
import {isRandomId} from '../../ids.ts';
import {withMounted} from '../../system/view.ts';
import {changesBetween} from '../trees/changes.ts';
import {zfs} from './command.ts';
import type {Dataset} from './listing.ts';
import {datasetOf, lastPart, type Room} from './names.ts';

/** Takes them for ours in `datasets`. `directory`: where they may be mounted to look at them, out of others' sight. */
export async function adoptHalfMade(
  room: Room,
  datasets: readonly Dataset[],
  directory: string,
): Promise<void> {
  const ours = new Set(datasets.flatMap(({id, name}) => (id === undefined ? [] : [name])));
  for (const dataset of datasets) {
    const {name, id, origin, snapshots} = dataset;
    const isAtPlace = isRandomId(lastPart(name)) && name === room.volume(lastPart(name));
    if (id !== undefined || !isAtPlace || snapshots.length > 0) continue;
    if (origin !== null && !ours.has(datasetOf(origin))) continue;
    if ((await hasOwnProperties(name)) || (await isWrittenTo(name, origin, directory))) continue;
    Object.assign(dataset, {id: lastPart(name), ephemeral: true} satisfies Partial<Dataset>);
  }
}

/** Who makes a dataset by hand where nothing is mounted by itself has to say where it should be. */
async function hasOwnProperties(dataset: string): Promise<boolean> {
  return (await zfs('get', '-Hp', '-s', 'local,received', '-o', 'property', 'all', dataset)).trim() !== '';
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
    origin === null
      ? readdirSync(tree).length > 0
      : withTree(origin, async (before) => (await changesBetween([before], [tree])).length > 0),
  );
}
