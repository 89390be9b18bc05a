/** Which dataset a directory is. */
import {realpathSync} from 'node:fs';
import {errnoOf} from '../../errors.ts';
import {mountsOf, type Mount} from '../../system/mounts.ts';

/** The dataset that is mounted at this very directory; undefined where none is, or no directory. */
export function datasetMountedAt(directory: string): string | undefined {
  let path: string;
  try {
    path = realpathSync(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  return datasetAmong(mountsOf(), path);
}

export function datasetAmong(mounts: readonly Mount[], path: string): string | undefined {
  // Of several mounts on one another the last one shows.
  const mount = mounts.findLast(({mountPoint}) => mountPoint === path);
  // A directory of a dataset, bound to there, is not the dataset: a volume of docker's is in docker's own.
  if (mount?.type !== 'zfs' || mount.root !== '/' || mount.source.includes('@')) return undefined;
  return mount.source;
}
