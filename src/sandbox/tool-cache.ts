/**
 * Copies of the host's programs in a directory that outlives us: complete or absent. Every file is on the disk before the
 * directory gets its name, and that before the index does, which names it; so whatever a power cut leaves, an index that can
 * be read tells of copies that are whole. What somebody has done to them since shows in their sizes and times.
 */
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import {join} from 'node:path';
import {errnoOf} from '../errors.ts';
import {randomId} from '../ids.ts';
import {readIfExists, syncDirectory, Unconfirmed, writeDurably} from '../system/files.ts';

/** A file of the host, and its name among the tools. */
export interface HostFile {
  path: string;
  name: string;
}

/** As `HostFile`, with what tells whether the file, or the copy, is still the same. */
interface Source extends HostFile {
  size: number;
  mtimeMs: number;
  copied: number;
}

interface Index {
  /** Says that what it names was synced; an index of an earlier release has none. */
  synced: true;
  directory: string;
  linker: string | null;
  sources: Source[];
}

/** Copies that can be used now. */
export interface Copies {
  directory: string;
  linker: string | null;
}

const INDEX = 'tools.json';

/** The copies that are there, if they are whole, can be executed, and the host's files are still those. */
export function findCopies(cacheDirectory: string): Copies | undefined {
  try {
    const index = parseIndex(readIfExists(join(cacheDirectory, INDEX)) ?? '');
    if (index === undefined) return undefined;
    const directory = join(cacheDirectory, index.directory);
    const isCurrent = index.sources.every(({path, name, size, mtimeMs, copied}) => {
      const [source, copy] = [path, join(directory, name)].map((at) => statSync(at, {throwIfNoEntry: false}));
      return (
        source?.size === size && source.mtimeMs === mtimeMs && copy?.size === size && copy.ctimeMs === copied
      );
    });
    if (!isCurrent) return undefined;
    // On a file system that is mounted noexec this is refused too (access(2)).
    accessSync(join(directory, 'sh'), constants.X_OK);
    return {directory, linker: index.linker};
  } catch (error) {
    if (isOfDisk(error)) return undefined;
    throw error;
  }
}

/** Makes copies. Undefined where there can be none: on a disk that is full or fails, is read-only or executes nothing. */
export async function makeCopies(
  cacheDirectory: string,
  files: readonly HostFile[],
  linker: string | null,
): Promise<Copies | undefined> {
  // Loaded here, where it is seldom needed: node:crypto is slow to load.
  const {createHash} = await import('node:crypto');
  const stats = files.map(({path, name}) => {
    const {size, mtimeMs} = statSync(path);
    return {path, name, size, mtimeMs};
  });
  const name = `tools-${createHash('sha256').update(JSON.stringify(stats)).digest('hex').slice(0, 16)}`;
  const directory = join(cacheDirectory, name);
  try {
    mkdirSync(cacheDirectory, {recursive: true, mode: 0o755});
    fill(cacheDirectory, directory, files);
    accessSync(join(directory, 'sh'), constants.X_OK);
    const sources = stats.map((file) => ({...file, copied: statSync(join(directory, file.name)).ctimeMs}));
    const index: Index = {synced: true, directory: name, linker, sources};
    writeDurably(join(cacheDirectory, INDEX), JSON.stringify(index));
    removeOthers(cacheDirectory, name);
    return {directory, linker};
  } catch (error) {
    if (isOfDisk(error)) return undefined;
    throw error;
  }
}

/** A cache is only worth what it can be read and written for: what the system says of it is no reason to fail. */
function isOfDisk(error: unknown): boolean {
  return errnoOf(error) !== undefined || error instanceof Unconfirmed;
}

/** A damaged index counts as none. */
function parseIndex(text: string): Index | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const index = value as Partial<Index> | null;
  return index?.synced === true &&
    /^tools-[0-9a-f]{16}$/.test(index.directory ?? '') &&
    Array.isArray(index.sources)
    ? (index as Index)
    : undefined;
}

function fill(cacheDirectory: string, directory: string, files: readonly HostFile[]): void {
  const isThere = statSync(directory, {throwIfNoEntry: false}) !== undefined;
  if (isThere && isSame(directory, files)) {
    // Another process has made it, or it was made before the copies were synced.
    for (const {name} of files) sync(join(directory, name));
    syncDirectory(directory);
    syncDirectory(cacheDirectory);
    return;
  }
  const temporary = `${directory}.${randomId()}.tmp`;
  try {
    mkdirSync(temporary, {mode: 0o755});
    for (const {path, name} of files) {
      const copy = join(temporary, name);
      copyFileSync(path, copy);
      chmodSync(copy, 0o755);
      sync(copy);
    }
    // The umask may have taken what a command of another user needs.
    chmodSync(temporary, 0o755);
    syncDirectory(temporary);
    // What is torn gives way; a sandbox that starts with it would not come far.
    if (isThere) renameSync(directory, `${directory}.${randomId()}.tmp`);
    rename(temporary, directory);
    syncDirectory(cacheDirectory);
  } finally {
    rmSync(temporary, {recursive: true, force: true});
  }
}

/** Another process may make the same ones first: they are as good. */
function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
  }
}

function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function isSame(directory: string, files: readonly HostFile[]): boolean {
  return files.every(({path, name}) => {
    const copy = join(directory, name);
    const stats = statSync(copy, {throwIfNoEntry: false});
    return (
      stats !== undefined && (stats.mode & 0o777) === 0o755 && readFileSync(copy).equals(readFileSync(path))
    );
  });
}

const STALE_MS = 24 * 60 * 60 * 1000;

/** Earlier ones. One that is a day old is used by no sandbox that still starts; those that run need it no more. */
function removeOthers(cacheDirectory: string, directory: string): void {
  for (const name of readdirSync(cacheDirectory)) {
    if (!name.startsWith('tools-') || name === directory) continue;
    const path = join(cacheDirectory, name);
    const stats = statSync(path, {throwIfNoEntry: false});
    if (stats !== undefined && Date.now() - stats.ctimeMs > STALE_MS)
      rmSync(path, {recursive: true, force: true});
  }
}
