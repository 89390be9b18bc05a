/**
 * Where an image has no /etc/resolv.conf or /etc/hosts, the sandbox makes an empty file to mount the host's on. It is
 * not the command's doing, so it is no part of a commit or a diff.
 */
import {lstatSync, unlinkSync} from 'node:fs';
import {join} from 'node:path';
import type {Change} from '../storage/driver.ts';
import type {Store} from '../store/store.ts';

const RESOLVER_FILES = ['resolv.conf', 'hosts'];
/** The mode that bubblewrap gives such a file; one that somebody made is hardly ever that, and empty. */
const MODE = 0o444;

/** For the owner of an active volume in which nothing runs. */
export async function removeMountPoints(store: Store, volume: string): Promise<void> {
  await inOwnLayer(store, volume, (directory) => {
    for (const path of mountPoints(directory)) unlinkSync(join(directory, path));
  });
}

/** The changes without the mount points of an active volume. */
export async function withoutMountPoints(
  store: Store,
  volume: string,
  changes: readonly Change[],
): Promise<Change[]> {
  const made = new Set(await inOwnLayer(store, volume, mountPoints));
  return changes.filter(({path}) => !made.has(path));
}

/** Runs `work` in the directory that what is written to the volume goes to. */
async function inOwnLayer<T>(store: Store, volume: string, work: (directory: string) => T): Promise<T> {
  const [top] = (await store.driver.plan(volume)).layers;
  return top === undefined
    ? store.driver.withTree(volume, (directory) => Promise.resolve(work(directory)))
    : work(top);
}

/** Absolute, as inside the root. */
function mountPoints(directory: string): string[] {
  // A link could lead anywhere on the host.
  if (lstatSync(join(directory, 'etc'), {throwIfNoEntry: false})?.isDirectory() !== true) return [];
  return RESOLVER_FILES.map((name) => `/etc/${name}`).filter((path) => {
    const stat = lstatSync(join(directory, path), {throwIfNoEntry: false});
    return stat?.isFile() === true && stat.size === 0 && (stat.mode & 0o777) === MODE;
  });
}
