/**
 * Looks paths up as a process inside the root would, without mounting it and without ever leaving it: an absolute
 * symbolic link starts again at the root, `..` stops there.
 *
 * The root may be a stack of overlayfs layers. The topmost layer that has an entry wins; a whiteout (a character
 * device 0:0, Documentation/filesystems/overlayfs.rst) hides what is below. Opaque directories are not looked for
 * (that takes a getxattr(2), which Node lacks): what they hide can be taken for present. Callers use a lookup to
 * choose a mount point or to read an account, so that the worst is another place within the same root.
 */
import {lstatSync, readlinkSync, type Stats} from 'node:fs';
import {ChrootctlError, errnoOf} from '../errors.ts';

/** As many as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;

/** Directories of the host that are seen at `target` inside, top first; none where only the kernel knows (/proc). */
export interface View {
  target: string;
  layers: readonly string[];
}

export interface Found {
  /** Absolute, inside, without symbolic links. */
  path: string;
  /** The same on the host; undefined when there is nothing. */
  source: string | undefined;
  kind: 'file' | 'directory' | 'missing' | 'unknown';
}

/**
 * Follows `path` to its end, the last link included. What is missing counts as no link: its path is where it would
 * be made. `views` lists what is mounted, the root (`/`) included; of several that cover a path the longest wins.
 * @throws ChrootctlError FAILED on too many links, or when a file stands where a directory must
 */
export function lookUp(views: readonly View[], path: string): Found {
  const pending = components(path);
  const done: string[] = [];
  let links = 0;
  let found: Found = {path: '/', source: undefined, kind: 'directory'};
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (name === '..') {
      done.pop();
      continue;
    }
    const here = `/${[...done, name].join('/')}`;
    const entry = entryAt(views, here);
    if (entry.stats !== undefined && entry.stats.isSymbolicLink()) {
      if (++links > MAX_LINKS) throw new ChrootctlError('FAILED', `too many symbolic links in ${path}`);
      const link = readlinkSync(entry.source);
      if (link.startsWith('/')) done.length = 0;
      pending.unshift(...components(link));
      continue;
    }
    done.push(name);
    if (entry.stats !== undefined && !entry.stats.isDirectory() && pending.length > 0) {
      throw new ChrootctlError('FAILED', `${here} is not a directory`);
    }
    found = {path: here, source: entry.stats && entry.source, kind: kindOf(entry)};
  }
  // After `..` the last entry looked at is not the one arrived at.
  const arrived = `/${done.join('/')}`;
  if (found.path === arrived && arrived !== '/') return found;
  const entry = entryAt(views, arrived);
  return {path: arrived, source: entry.stats && entry.source, kind: kindOf(entry)};
}

/** Where on the host a path is whose parents are no links; itself it may be one. Undefined when there is nothing. */
export function entryOf(views: readonly View[], path: string): string | undefined {
  return entryAt(views, path).source;
}

type Entry =
  {stats: Stats; source: string; known: true} | {stats: undefined; known: boolean; source?: undefined};

/** Which of the views covers a path without symbolic links. */
export function viewOf(views: readonly View[], path: string): View {
  return views
    .filter(({target}) => isWithin(path, target))
    .reduce((best, next) => (next.target.length >= best.target.length ? next : best));
}

function entryAt(views: readonly View[], path: string): Entry {
  const view = viewOf(views, path);
  const rest = view.target === '/' ? path : path.slice(view.target.length);
  // The mount point itself is there even when what is mounted on it cannot be looked into.
  if (view.layers.length === 0) return {stats: undefined, known: false};
  const layers = path === '/' ? view.layers.slice(0, 1) : view.layers;
  for (const layer of layers) {
    const source = layer + rest;
    const stats = lstatOrUndefined(source);
    if (stats === undefined) continue;
    if (stats.isCharacterDevice() && stats.rdev === 0) break;
    return {stats, source, known: true};
  }
  return {stats: undefined, known: true};
}

function kindOf({stats, known}: Entry): Found['kind'] {
  if (stats === undefined) return known ? 'missing' : 'unknown';
  return stats.isDirectory() ? 'directory' : 'file';
}

/** ENOTDIR: an upper layer may have a file where a lower one has a directory; the walk has dealt with that above. */
function lstatOrUndefined(path: string): Stats | undefined {
  try {
    return lstatSync(path, {throwIfNoEntry: false});
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

function components(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** Whether `path` is `directory` or below it; both absolute and without `..`. */
export function isWithin(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}
