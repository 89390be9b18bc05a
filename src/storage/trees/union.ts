/**
 * What a stack of overlay layers shows, read from the layers themselves (kernel: Documentation/filesystems/
 * overlayfs.rst): the top layer that has a name decides; directories are merged down to the first layer where the
 * name is something else, is whited out, or where the directory is opaque. A directory that was renamed says where the
 * layers below have it: it is merged with what they have there. Only a layer that is written to has such; see overlay.ts.
 */
import {lstatSync, type Dirent} from 'node:fs';
import {ChrootctlError} from '../../errors.ts';
import {asBytes, asText, bytePath, entriesOf, joinBytes, nameOf, parentOf, type BytePath} from './bytes.ts';
import {marksIn, opaqueAmong, opaqueBelow, type Marks} from './xattrs.ts';

export interface Layer extends Marks {
  root: BytePath;
  /** Those of the stack that lie below it, top first. */
  below: readonly Layer[];
}

/** Where something is: in which layer, and at which path in that. */
export interface Place {
  layer: Layer;
  path: BytePath;
}

/** What a merged directory has under a name. */
export interface Shown {
  kind: 'directory' | 'file' | 'whiteout';
  /** Where it comes from: one place, or those that a directory is merged from, top first. */
  in: readonly Place[];
}

/** Stacks of absolute directories, top first, ready to be listed. What they share is read once. */
export async function openStacks(...stacks: readonly (readonly string[])[]): Promise<Layer[][]> {
  // Nothing lies below the last layer that it could hide.
  const upper = [...new Set(stacks.flatMap((directories) => directories.slice(0, -1)))];
  const marks = await marksIn(upper);
  return stacks.map((directories) =>
    stackOf(
      open(
        directories,
        directories.map((directory) => marks[upper.indexOf(directory)]),
      ),
    ),
  );
}

/** A part of a stack that has layers below it: with the last layer's marks too. */
export async function openPartOfStack(directories: readonly string[]): Promise<Layer[]> {
  return stackOf(open(directories, await marksIn(directories)));
}

/**
 * The whole of a stack, of which a part, the top, is open already. Of the layers below that, what is looked at are
 * the directories that the part shows, `paths`, and all that is in those which have been renamed.
 */
export async function openBelow(
  part: readonly Layer[],
  directories: readonly string[],
  paths: readonly BytePath[],
): Promise<Layer[]> {
  const stack = stackOf([...part, ...open(directories, [])]);
  const below = stack.slice(part.length);
  // As long as they have no marks, too much contributes rather than too little.
  const within = new Map<BytePath, Place[]>([['', rootOf(below)]]);
  const placesOf = (path: BytePath): Place[] => {
    const places = within.get(path) ?? contributing(placesOf(parentOf(path)), nameOf(path));
    within.set(path, places);
    return places;
  };
  const renamed = stack
    .slice(0, 1)
    .flatMap((top) => [...top.redirects.keys()].map((path) => originOf(top, path)));
  const trees = renamed.flatMap(placesOf);
  paths.forEach(placesOf);
  const places = [...within.values()].flat().filter(({path}) => path !== '');
  const opaque = [...(await opaqueAmong(places.map(located))), ...(await opaqueBelow(trees.map(located)))];
  for (const {root, opaque: own} of below)
    for (const path of opaque) if (path.startsWith(`${root}/`)) own.add(path.slice(root.length + 1));
  return stack;
}

/** Marks that are missing are none. */
function open(directories: readonly string[], marks: readonly (Marks | undefined)[]): Omit<Layer, 'below'>[] {
  return directories.map((directory, index) => ({
    root: bytePath(directory),
    ...(marks[index] ?? {opaque: new Set(), redirects: new Map()}),
  }));
}

function stackOf(layers: readonly Omit<Layer, 'below'>[]): Layer[] {
  return layers.reduceRight<Layer[]>((below, layer) => [{...layer, below}, ...below], []);
}

/** The root directory of a stack. */
export function rootOf(stack: readonly Layer[]): Place[] {
  return stack.map((layer) => ({layer, path: ''}));
}

/** The places that the directory `name` is merged from, in one that is merged from `within`. */
export function contributing(within: readonly Place[], name: BytePath): Place[] {
  for (const [index, {layer, path}] of within.entries()) {
    const place = {layer, path: joinBytes(path, name)};
    const stats = lstatSync(asBytes(located(place)), {throwIfNoEntry: false});
    if (stats?.isDirectory() === true) return [place, ...mergedWith(place, within.slice(index + 1))];
    if (stats !== undefined) break;
  }
  return [];
}

/** What a directory is merged with; `within` are the places, further down, of the one that it is in. */
function mergedWith(place: Place, within: readonly Place[]): readonly Place[] {
  const {layer, path} = place;
  if (layer.opaque.has(path)) return [];
  const redirect = layer.redirects.get(path);
  if (redirect === undefined) return contributing(within, nameOf(path));
  const from = redirect.startsWith('/') ? rootOf(layer.below) : within;
  return namesIn(redirect, place).reduce<readonly Place[]>(contributing, from);
}

/** Where the layers below one that is written to have what that has at `path`. */
function originOf(layer: Layer, path: BytePath): BytePath {
  if (path === '') return '';
  const redirect = layer.redirects.get(path);
  const names = redirect === undefined ? [nameOf(path)] : namesIn(redirect, {layer, path});
  if (redirect?.startsWith('/') === true) return names.join('/');
  return joinBytes(originOf(layer, parentOf(path)), names.join('/'));
}

/**
 * A name of its own directory, or an absolute path in the layers below: overlayfs writes nothing else, and follows
 * nothing else (ovl_check_redirect in fs/overlayfs/namei.c).
 */
function namesIn(redirect: BytePath, place: Place): BytePath[] {
  const names = redirect.replace(/^\//, '').split('/');
  if ((names.length === 1 || redirect.startsWith('/')) && names.every((name) => !/^\.{0,2}$/.test(name)))
    return names;
  const [where, what] = [located(place), redirect].map(asText);
  throw new ChrootctlError('FAILED', `${where} is marked as renamed from ${JSON.stringify(what)}`, {
    hint: 'overlayfs has not written that; setfattr -x trusted.overlay.redirect takes the mark away',
  });
}

/**
 * What the directory that contributions lie `within` has in these layers, whiteouts included. Of those `beneath`, only
 * what its directories are merged with is looked for.
 */
export function listUnion(within: readonly Place[], beneath: readonly Place[] = []): Map<BytePath, Shown> {
  const shown = new Map<BytePath, Shown>();
  for (const [index, {layer, path}] of within.entries()) {
    const directory = located({layer, path});
    for (const entry of entriesOf(directory)) {
      const {name} = entry;
      if (shown.has(name)) continue;
      const place = {layer, path: joinBytes(path, name)};
      if (entry.isDirectory()) {
        const rest = mergedWith(place, [...within.slice(index + 1), ...beneath]);
        shown.set(name, {kind: 'directory', in: [place, ...rest]});
      } else shown.set(name, {kind: isWhiteout(entry, directory) ? 'whiteout' : 'file', in: [place]});
    }
  }
  return shown;
}

/** Where what a stack shows really is; of a directory, where its attributes come from. */
export function placeOf(shown: Shown): BytePath {
  return located(shown.in[0] as Place);
}

export function samePlaces(some: readonly Place[], others: readonly Place[]): boolean {
  return (
    some.length === others.length &&
    some.every((place, index) => {
      const other = others[index];
      return place.layer.root === other?.layer.root && place.path === other.path;
    })
  );
}

/** The path on the host. */
export function located({layer, path}: Place): BytePath {
  return path === '' ? layer.root : `${layer.root}/${path}`;
}

function isWhiteout(entry: Dirent, directory: BytePath): boolean {
  return entry.isCharacterDevice() && lstatSync(asBytes(joinBytes(directory, entry.name))).rdev === 0;
}
