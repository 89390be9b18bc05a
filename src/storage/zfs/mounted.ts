/** Which dataset a directory is. */
import {realpathSync} from 'node:fs';
import {errnoOf} from '../../errors.ts';
import {mountsOf} from '../../system/mounts.ts';

/** The dataset that is mounted at this very directory; undefined where none is, or no directory. */
export function datasetMountedAt(directory: string): string | undefined {
  let path: string;
  try {
    path = realpathSync(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  // Of several mounts on one another the last one shows.
  const mount = mountsOf().findLast(({mountPoint}) => mountPoint === path);
  return mount?.type === 'zfs' && !mount.source.includes('@') ? mount.source : undefined;
}
