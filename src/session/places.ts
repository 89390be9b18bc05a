/**
 * What sandboxes have made in a session's root, and no command has: mount points, the directories on the way to them,
 * and the session's own /etc/hosts and its kin. A commit leaves it out, and so does a diff.
 */
import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import {dirname, join, posix} from 'node:path';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {entryOf, lookUp, type View} from '../sandbox/in-root.ts';
import {missingDirectories, type Place} from '../sandbox/places.ts';
import {viewsOf} from '../sandbox/volumes.ts';
import type {Change} from '../storage/driver.ts';
import type {SessionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {callWords} from '../system/calls.ts';
import {makeDirectory, removeIfExists} from '../system/files.ts';
import {isFull} from '../system/child.ts';
import {attemptAtOnce, lastLine, run} from '../system/programs.ts';
import {usable} from './kept.ts';

type Rooted = Pick<SessionRecord, 'image' | 'version' | 'volume' | 'places' | 'options'>;

/** Writes down the places of one more sandbox, before they are made. For the holder of the session's lock. */
export function notePlaces(store: Store, id: string, made: readonly Place[]): void {
  const record = usable(store, id);
  const added = made.filter(({path}) => !record.places.some((place) => place.path === path));
  if (added.length > 0) store.sessions.replace({...record, places: [...record.places, ...added]});
}

/** Paths of the files that a session has of its own. */
export function copiesIn(places: readonly Place[]): string[] {
  return places.filter(({kind}) => kind === 'copy').map(({path}) => path);
}

/**
 * Takes the places away, and puts back what the version has where a file of the session's own is. For the owner of an
 * active volume in which nothing runs and which is mounted nowhere.
 */
export async function removePlaces(store: Store, record: Rooted): Promise<void> {
  if (record.places.length === 0) return;
  // What its user may write is used up perhaps.
  if (record.options.storage !== undefined) await store.driver.liftLimit?.(record.volume);
  const clear = await clearing(store, record);
  await inOwnTree(store, record.volume, clear);
}

/** The same for a copy of the volume, given the directory of its own layer or tree. */
export async function clearing(store: Store, record: Rooted): Promise<(tree: string) => Promise<void>> {
  const {places} = record;
  // Only to look: it may be mounted.
  const [, ...below] = (await store.driver.plan(record.volume, {readOnly: true})).layers;
  // Where the version lies below, it shows again.
  if (below.length > 0) return (tree) => clear({tree, places, version: rootOf(below), isLayer: true});
  const version = record.version === null ? undefined : store.image(record.image).version(record.version);
  if (version === undefined) return (tree) => clear({tree, places, version: [], isLayer: false});
  return (tree) =>
    store.driver.withTree(version.volume, (original) =>
      clear({tree, places, version: rootOf([original]), isLayer: false}),
    );
}

interface Clearing {
  tree: string;
  places: readonly Place[];
  /** How the version looks from inside; none where there is none. */
  version: readonly View[];
  /** The tree is only what lies upon the version. */
  isLayer: boolean;
}

async function clear({tree, places, version, isLayer}: Clearing): Promise<void> {
  const touched = new Set<string>();
  for (const {path, kind} of places.toReversed()) {
    const at = join(tree, path);
    const stats = isReal(tree, dirname(path)) ? lstatSync(at, {throwIfNoEntry: false}) : undefined;
    if (stats === undefined) continue;
    touched.add(dirname(path));
    if (kind === 'directory' && stats.isDirectory()) removeIfEmpty(at);
    // A link in its place is the command's doing: resolvconf and systemd-resolved put one there.
    if (kind === 'directory' || !stats.isFile() || (kind === 'file' && stats.size > 0)) continue;
    unlinkSync(at);
    const before = kind === 'copy' && !isLayer ? originalOf(version, path) : undefined;
    if (before?.kind === 'file')
      await run('cp', ['-a', '--reflink=auto', '--no-target-directory', '--', before.source, at]);
  }
  for (const directory of [...touched].sort().reverse()) restoreTime(directory, {tree, version, isLayer});
}

/** A directory with the names that the version has there has its time too. */
function restoreTime(directory: string, {tree, version, isLayer}: Omit<Clearing, 'places'>): void {
  const original = originalOf(version, directory);
  const at = join(tree, directory);
  if (original?.kind !== 'directory' || !isReal(tree, directory)) return;
  const names = readdirSync(at);
  const isKnown = (name: string): boolean => {
    const before = originalOf(version, posix.join(directory, name));
    return (
      before !== undefined && before.kind === (lstatSync(join(at, name)).isDirectory() ? 'directory' : 'file')
    );
  };
  const count = isLayer ? names.length : readdirSync(original.source).length;
  if (names.length !== count || !names.every((name) => isKnown(name) && !isWhiteout(join(at, name)))) return;
  const {source} = original;
  const [file, ...args] = callWords(['times', source, at], () => [
    ...(['touch', '--no-create', `--reference=${source}`, '--', at] as const),
  ]);
  const {code, stderr} = attemptAtOnce(file, args);
  // No commit fails for want of room for a time.
  if (code !== 0 && !isFull(stderr))
    throw new ChrootctlError('FAILED', `cannot set the time of ${directory}: ${lastLine(stderr)}`);
}

/** A root of these directories, top first, with nothing mounted on it. */
function rootOf(layers: readonly string[]): View[] {
  return [{target: '/', layers}];
}

function isWhiteout(path: string): boolean {
  const stats = lstatSync(path);
  return stats.isCharacterDevice() && stats.rdev === 0;
}

/** What the version has at a path, itself and not where a link of it leads. */
function originalOf(
  version: readonly View[],
  path: string,
): {source: string; kind: 'file' | 'directory'} | undefined {
  if (version.length === 0) return undefined;
  const parent = lookUp(version, dirname(path));
  if (parent.path !== dirname(path)) return undefined;
  const source = entryOf(version, path);
  if (source === undefined) return undefined;
  return {source, kind: lstatSync(source).isDirectory() ? 'directory' : 'file'};
}

/** The changes of a session without those that its sandboxes have made. */
export async function withoutPlaces(
  store: Store,
  record: Rooted,
  changes: readonly Change[],
): Promise<readonly Change[]> {
  const traces = changes.length === 0 ? new Set() : await tracesIn(store, record);
  return changes.filter(({path}) => !traces.has(path));
}

/** Paths at which a session has what its sandboxes have made, and nothing else. */
export async function tracesIn(store: Store, {volume, places}: Rooted): Promise<ReadonlySet<string>> {
  const traces = new Set<string>();
  if (places.length === 0) return traces;
  await inOwnTree(store, volume, (tree) => {
    // What is in a directory before the directory.
    for (const {path, kind} of places.toSorted((one, other) => (one.path < other.path ? 1 : -1)))
      if (kind === 'directory' ? hasOnly(traces, tree, path) : isOurs(tree, path, kind)) traces.add(path);
    return Promise.resolve();
  });
  return traces;
}

function hasOnly(traces: ReadonlySet<string>, tree: string, path: string): boolean {
  return (
    isReal(tree, path) && readdirSync(join(tree, path)).every((name) => traces.has(posix.join(path, name)))
  );
}

/** What the files of a session's own hold now, by path. */
export async function ownFiles(store: Store, {volume, places}: Rooted): Promise<Map<string, Buffer>> {
  const paths = copiesIn(places);
  if (paths.length === 0) return new Map();
  return inOwnTree(store, volume, (tree) =>
    Promise.resolve(
      new Map(
        paths
          .filter((path) => isOurs(tree, path, 'copy'))
          .map((path) => [path, readFileSync(join(tree, path))]),
      ),
    ),
  );
}

/** Gives them to a root that goes on in its place; in which nothing runs. Gives the places that it has then. */
export function putBack(root: string, files: ReadonlyMap<string, Buffer>): Place[] {
  const views = viewsOf([root]);
  return [...files].flatMap(([path, content]): Place[] => {
    const found = lookUp(views, path);
    if (found.path !== path || (found.kind !== 'file' && found.kind !== 'missing')) return [];
    const directories = missingDirectories(views, dirname(path));
    for (const directory of directories) makeDirectory(join(root, directory));
    removeIfExists(join(root, path));
    const fd = openSync(join(root, path), 'wx', 0o644);
    try {
      writeFileSync(fd, content);
    } finally {
      closeSync(fd);
    }
    return [
      ...directories.map((directory): Place => ({path: directory, kind: 'directory'})),
      {path, kind: 'copy'},
    ];
  });
}

/** Runs `work` in the directory that what is written to the volume goes to: its own layer, or all of it. */
async function inOwnTree<T>(
  store: Store,
  volume: string,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const [top] = (await store.driver.plan(volume, {readOnly: true})).layers;
  return top === undefined ? store.driver.withTree(volume, work) : work(top);
}

function isOurs(tree: string, path: string, kind: Place['kind']): boolean {
  if (!isReal(tree, dirname(path))) return false;
  const stats = lstatSync(join(tree, path), {throwIfNoEntry: false});
  return stats?.isFile() === true && (kind === 'copy' || stats.size === 0);
}

/** Whether a path of the tree is made of directories alone: a link could lead anywhere on the host. */
function isReal(tree: string, path: string): boolean {
  if (path === '/') return true;
  return (
    isReal(tree, dirname(path)) &&
    lstatSync(join(tree, path), {throwIfNoEntry: false})?.isDirectory() === true
  );
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY') throw error;
  }
}
