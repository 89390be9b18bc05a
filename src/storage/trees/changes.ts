/**
 * What differs between two volumes, found in their layers without mounting them. Where both show the very same
 * directory or file of the same layer, nothing below can differ and nothing is read: the cost is that of what the
 * two do not share.
 */
import {lstatSync, readlinkSync, type Stats} from 'node:fs';
import {asBytes, asText, joinBytes, type BytePath} from './bytes.ts';
import {sameContent} from './content.ts';
import type {Change, Enough} from '../driver.ts';
import {listUnion, openStacks, placeOf, rootOf, samePlaces, type Shown} from './union.ts';
import {readAttributes} from './xattrs.ts';

/** A path that is in both, once as the one volume has it and once as the other. */
interface Pair {
  path: BytePath;
  places: readonly [BytePath, BytePath];
}

interface Comparison {
  clonedAfter: number;
  untouchedBefore: number;
  enough: Enough;
  isOver: boolean;
  changes: {path: BytePath; kind: Change['kind']}[];
  /** Alike in all that lstat(2) and reading tell; their extended attributes are still to be compared. */
  alike: Pair[];
}

export interface ComparisonOptions {
  /**
   * Milliseconds since the epoch. Says that one of the two is a clone, or a clone's clone, of the other, made after
   * that time, and that clones keep inode numbers and times. Then a file with the same number and the same, older time
   * of change is the same, untouched: whatever is done to a file sets that time, and nobody can set it otherwise.
   */
  clonedAfter?: number | undefined;
  /**
   * Milliseconds since the epoch. Says that what was last changed before that time in the second tree, of one layer as is
   * the first, is in the first as well.
   */
  untouchedBefore?: number | undefined;
  enough?: Enough | undefined;
}

/**
 * Paths that differ in type, mode, owner, content, link target, device number or extended attributes; not in times
 * alone. Sorted by path. Both stacks are absolute directories, top first.
 */
export async function changesBetween(
  from: readonly string[],
  to: readonly string[],
  {clonedAfter = 0, untouchedBefore = 0, enough = () => false}: ComparisonOptions = {},
): Promise<Change[]> {
  const comparison: Comparison = {
    clonedAfter,
    untouchedBefore,
    enough,
    isOver: false,
    changes: [],
    alike: [],
  };
  const [was = [], is = []] = (await openStacks(from, to)).map(rootOf);
  comparePair(comparison, '', {kind: 'directory', in: was}, {kind: 'directory', in: is});
  if (!isOver(comparison)) await compareAttributes(comparison);
  return comparison.changes
    .map(({path, kind}) => ({path: `/${asText(path)}`, kind}))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** Stays so, once it is. */
function isOver(comparison: Comparison): boolean {
  comparison.isOver ||= comparison.enough(comparison.changes.length);
  return comparison.isOver;
}

function comparePair(comparison: Comparison, path: BytePath, from: Shown, to: Shown): void {
  if (sameOrigin(from, to) || isOver(comparison)) return;
  const places = [placeOf(from), placeOf(to)] as const;
  const isOld = places[0] !== places[1] && comparePlaces(comparison, path, places);
  const present = namesOf(to);
  const names = [isOld ? sameNamesIn(from, present) : namesOf(from), present] as const;
  for (const name of new Set([...names[0].keys(), ...names[1].keys()])) {
    const [was, is] = [names[0].get(name), names[1].get(name)];
    const child = joinBytes(path, name);
    if (was !== undefined && is !== undefined) comparePair(comparison, child, was, is);
    else if (was !== undefined) listTree(comparison, child, was, 'deleted');
    else if (is !== undefined) listTree(comparison, child, is, 'added');
  }
}

/** What the first tree has in a directory that the second has not changed: names come and go with the time of theirs. */
function sameNamesIn(from: Shown, present: ReadonlyMap<BytePath, Shown>): Map<BytePath, Shown> {
  const within = from.in[0];
  if (within === undefined) return new Map();
  const {layer, path} = within;
  return new Map(
    [...present].map(([name, {kind}]) => [name, {kind, in: [{layer, path: joinBytes(path, name)}]}]),
  );
}

/** Gives whether the second is too old to have been touched. */
function comparePlaces(
  comparison: Comparison,
  path: BytePath,
  places: readonly [BytePath, BytePath],
): boolean {
  const b = lstatSync(asBytes(places[1]));
  if (b.ctimeMs < comparison.untouchedBefore - MARGIN_MS) return true;
  const a = lstatSync(asBytes(places[0]));
  if (isUntouched(a, b, comparison.clonedAfter)) return false;
  if (alike(places, a, b)) comparison.alike.push({path, places});
  else comparison.changes.push({path, kind: 'changed'});
  return false;
}

function listTree(comparison: Comparison, path: BytePath, shown: Shown, kind: Change['kind']): void {
  if (isOver(comparison)) return;
  comparison.changes.push({path, kind});
  for (const [name, child] of namesOf(shown)) listTree(comparison, joinBytes(path, name), child, kind);
}

/** What a directory shows; nothing for anything else. */
function namesOf(shown: Shown): Map<BytePath, Shown> {
  if (shown.kind !== 'directory') return new Map();
  const names = listUnion(shown.in);
  for (const [name, {kind}] of names) if (kind === 'whiteout') names.delete(name);
  return names;
}

/** Whether both are merged from the same, and so are the same with all that is in them. */
function sameOrigin(was: Shown, is: Shown): boolean {
  return was.kind === is.kind && samePlaces(was.in, is.in);
}

/** Times of change come from a clock that lags a little; what changed this shortly before is looked at. */
const MARGIN_MS = 100;

function isUntouched(a: Stats, b: Stats, clonedAfter: number): boolean {
  return a.ino === b.ino && a.ctimeMs === b.ctimeMs && a.ctimeMs < clonedAfter - MARGIN_MS;
}

function alike([was, is]: readonly [BytePath, BytePath], a: Stats, b: Stats): boolean {
  if (a.dev === b.dev && a.ino === b.ino) return true;
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid) return false;
  if (a.isFile()) return a.size === b.size && sameContent(was, is);
  if (a.isSymbolicLink()) return target(was) === target(is);
  return !isDevice(a) || a.rdev === b.rdev;
}

function isDevice(stats: Stats): boolean {
  return stats.isCharacterDevice() || stats.isBlockDevice();
}

function target(link: BytePath): string {
  return readlinkSync(asBytes(link), 'latin1');
}

async function compareAttributes({alike, changes}: Comparison): Promise<void> {
  const attributes = await readAttributes(alike.flatMap(({places}) => places));
  for (const {path, places} of alike) {
    const [was, is] = places.map((place) => attributes.get(place)?.join('\n'));
    if (was !== is) changes.push({path, kind: 'changed'});
  }
}
