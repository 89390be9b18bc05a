/**
 * What a stack of overlay layers shows, read from the layers themselves (kernel: Documentation/filesystems/
 * overlayfs.rst): the top layer that has a name decides; directories are merged down to the first layer where the
 * name is something else, is whited out, or where the directory is opaque.
 */
import {lstatSync, type Dirent} from 'node:fs';
import {asBytes, bytePath, entriesOf, joinBytes, parentOf, type BytePath} from './bytes.ts';
import {opaqueAmong, opaqueDirectories} from './xattrs.ts';

export interface Layer {
  root: BytePath;
  /** Directories that hide the layers below, relative to the root. */
  opaque: ReadonlySet<BytePath>;
}

/** A name in a merged directory. Numbers are indexes into the stack. */
export type Shown =
  | {kind: 'directory'; /** Those that contribute, top first. */ in: readonly number[]; opaque: boolean}
  | {kind: 'file' | 'whiteout'; in: readonly [number]};

/** Stacks of absolute directories, top first, ready to be listed. What they share is read once. */
export async function openStacks(...stacks: readonly (readonly string[])[]): Promise<Layer[][]> {
  // Nothing lies below the last layer that it could hide.
  const upper = [...new Set(stacks.flatMap((directories) => directories.slice(0, -1)))];
  const opaque = await opaqueDirectories(upper);
  return stacks.map((directories) =>
    directories.map((directory) => ({
      root: bytePath(directory),
      opaque: opaque[upper.indexOf(directory)] ?? new Set(),
    })),
  );
}

/** A part of a stack that has layers below it: with the last layer's opaque directories too. */
export async function openPartOfStack(directories: readonly string[]): Promise<Layer[]> {
  const opaque = await opaqueDirectories(directories);
  return directories.map((directory, index) => ({
    root: bytePath(directory),
    opaque: opaque[index] ?? new Set(),
  }));
}

/**
 * Layers below a part of a stack, ready for `contributing`. Of them, only `paths` are looked at: directories that the part
 * shows, parents before children, the root not among them.
 */
export async function openBelow(
  directories: readonly string[],
  paths: readonly BytePath[],
): Promise<Layer[]> {
  const layers = directories.map((directory) => ({root: bytePath(directory), opaque: new Set<BytePath>()}));
  const within = new Map<BytePath, number[]>([['', rootOf(layers)]]);
  for (const path of paths) within.set(path, contributing(layers, within.get(parentOf(path)) ?? [], path));
  within.delete('');
  const placed = [...within].flatMap(([path, indexes]) =>
    indexes.map((index) => ({path, layer: layers[index] as (typeof layers)[number]})),
  );
  const placeIn = ({layer, path}: (typeof placed)[number]): BytePath => joinBytes(layer.root, path);
  const opaque = await opaqueAmong(placed.map(placeIn));
  for (const one of placed) if (opaque.has(placeIn(one))) one.layer.opaque.add(one.path);
  return layers;
}

/** Those of the layers `within`, which contribute to its parent, that contribute to the directory `path`. */
export function contributing(stack: readonly Layer[], within: readonly number[], path: BytePath): number[] {
  const found: number[] = [];
  for (const index of within) {
    const layer = stack[index] as Layer;
    const stats = lstatSync(asBytes(joinBytes(layer.root, path)), {throwIfNoEntry: false});
    if (stats === undefined) continue;
    if (!stats.isDirectory()) break;
    found.push(index);
    if (layer.opaque.has(path)) break;
  }
  return found;
}

/** The root directory of a stack. */
export function rootOf(stack: readonly Layer[]): number[] {
  return stack.map((_, index) => index);
}

/** All names of the directory `path`, to which the layers `within` contribute, whiteouts included. */
export function listUnion(
  stack: readonly Layer[],
  within: readonly number[],
  path: BytePath,
): Map<BytePath, Shown> {
  const shown = new Map<BytePath, Shown>();
  const closed = new Set<BytePath>();
  for (const index of within) {
    const layer = stack[index] as Layer;
    const directory = joinBytes(layer.root, path);
    for (const entry of entriesOf(path === '' ? layer.root : directory)) {
      const {name} = entry;
      if (closed.has(name)) continue;
      const above = shown.get(name);
      if (!entry.isDirectory()) {
        closed.add(name);
        if (above === undefined)
          shown.set(name, {kind: isWhiteout(entry, directory) ? 'whiteout' : 'file', in: [index]});
        else if (above.kind === 'directory') above.opaque = true;
        continue;
      }
      const opaque = layer.opaque.has(joinBytes(path, name));
      if (opaque) closed.add(name);
      shown.set(name, {kind: 'directory', in: [...(above?.in ?? []), index], opaque});
    }
  }
  return shown;
}

/** Where an entry that a stack shows really is. */
export function placeOf(stack: readonly Layer[], shown: Shown, path: BytePath): BytePath {
  return joinBytes((stack[shown.in[0]] as Layer).root, path);
}

function isWhiteout(entry: Dirent, directory: BytePath): boolean {
  return entry.isCharacterDevice() && lstatSync(asBytes(joinBytes(directory, entry.name))).rdev === 0;
}
