/**
 * One path for one directory, whatever leads to it: a symbolic link, or a bind mount of the directory or of one above it.
 * Two processes of one mount namespace that mean the same directory come to the same path.
 */
import {closeSync, openSync, readFileSync, realpathSync, statSync} from 'node:fs';
import {basename, dirname, join, relative, resolve} from 'node:path';
import {errnoOf} from '../errors.ts';
import {mountsOf, type Mount} from './mounts.ts';

/** What is not there yet keeps its name, below the first directory that is. */
export function canonicalPath(path: string): string {
  const absolute = resolve(path);
  try {
    return unbound(realpathSync.native(absolute));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return join(canonicalPath(dirname(absolute)), basename(absolute));
  }
}

/** Of the mounts that show a directory in the same way, the one that shows most besides it. */
function unbound(directory: string): string {
  const id = mountIdOf(directory);
  // Most often, and no table is read for it, which grows with each session that is mounted.
  if (id === undefined || id === mountIdOf('/')) return directory;
  const mounts = mountsOf();
  const own = mounts.find((mount) => mount.id === id);
  if (own === undefined) return directory;
  const inside = join(own.root, relative(own.mountPoint, directory));
  const [best = directory] = mounts
    .filter((mount) => showsAlike(mount, own) && `${inside}/`.startsWith(ended(mount.root)))
    .sort(byReach)
    .map(({mountPoint, root}) => join(mountPoint, relative(root, inside)))
    // Another mount may lie over it.
    .filter((path) => isSameDirectory(path, directory));
  return best;
}

/** By which mount a directory is reached (proc_pid_fdinfo(5)); undefined where there is no /proc to say so. */
function mountIdOf(directory: string): number | undefined {
  // As a mere place (O_PATH, which Node has no name for): that takes no right to read.
  const fd = openSync(directory, 0o10000000);
  try {
    const id = /^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    return id === undefined ? undefined : Number(id);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Whoever has chosen a mount with other options (read-only, say) means that one. */
function showsAlike(mount: Mount, other: Mount): boolean {
  return mount.device === other.device && mount.options.join(',') === other.options.join(',');
}

function byReach(a: Mount, b: Mount): number {
  return (
    Number(b.mountPoint === '/') - Number(a.mountPoint === '/') ||
    a.root.length - b.root.length ||
    a.mountPoint.length - b.mountPoint.length ||
    (a.mountPoint < b.mountPoint ? -1 : 1)
  );
}

function ended(path: string): string {
  return path.endsWith('/') ? path : `${path}/`;
}

function isSameDirectory(path: string, other: string): boolean {
  const [a, b] = [statSync(path, {throwIfNoEntry: false}), statSync(other)];
  return a?.ino === b.ino && a.dev === b.dev;
}
