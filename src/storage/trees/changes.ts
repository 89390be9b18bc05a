/**
 * What differs between two volumes, found in their layers without mounting them. Where both show the very same
 * directory or file of the same layer, nothing below can differ and nothing is read: the cost is that of what the
 * two do not share.
 */
import {lstatSync, readlinkSync, type Stats} from 'node:fs';
import {asBytes, asText, joinBytes, type BytePath} from './bytes.ts';
import {sameContent} from './content.ts';
import {endable, Pauses} from '../../system/interruption.ts';
import type {Change, Enough} from '../driver.ts';
import {forgetReached, refuseTooDeep} from './reach.ts';
import {listUnion, openStacks, placeOf, rootOf, samePlaces, type Shown} from './union.ts';
import {readAttributes} from './xattrs.ts';

/** A path that is in both, once as the one volume has it and once as the other. */
interface Pair {
  path: BytePath;
  places: readonly [BytePath, BytePath];
}

/** What the two show at a path; undefined where one has nothing. */
interface Compared {
  path: BytePath;
  /** How many directories lead there. */
  level: number;
  was: Shown | undefined;
  is: Shown | undefined;
}

interface Comparison {
  clonedAfter: number;
  untouchedBefore: number;
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
  const comparison: Comparison = {clonedAfter, untouchedBefore, changes: [], alike: []};
  try {
    const [was = [], is = []] = (await openStacks(from, to)).map(rootOf);
    const pauses = new Pauses(endable());
    const ahead: Compared[] = [
      {path: '', level: 0, was: {kind: 'directory', in: was}, is: {kind: 'directory', in: is}},
    ];
    let isOver = enough(0);
    for (let next = ahead.pop(); next !== undefined && !isOver; next = ahead.pop()) {
      refuseTooDeep(next.path, next.level);
      for (const within of await compare(comparison, next)) ahead.push(within);
      if (comparison.alike.length >= ALIKE_AT_ONCE) await compareAttributes(comparison);
      await pauses.now();
      isOver = enough(comparison.changes.length);
    }
    if (!isOver) await compareAttributes(comparison);
  } finally {
    forgetReached();
  }
  return comparison.changes
    .map(({path, kind}) => ({path: `/${asText(path)}`, kind}))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

/** Notes how what is at a path differs, and gives what is below it that is to be compared. */
async function compare(
  comparison: Comparison,
  {path, level, was, is}: Compared,
): Promise<readonly Compared[]> {
  if (was === undefined || is === undefined) {
    const [shown, kind] = is === undefined ? [was, 'deleted' as const] : [is, 'added' as const];
    if (shown === undefined) return [];
    comparison.changes.push({path, kind});
    const only = (child: Shown): Pick<Compared, 'was' | 'is'> =>
      is === undefined ? {was: child, is: undefined} : {was: undefined, is: child};
    return [...namesOf(shown)].map(([name, child]) => ({
      path: joinBytes(path, name),
      level: level + 1,
      ...only(child),
    }));
  }
  if (sameOrigin(was, is)) return [];
  const places = [placeOf(was), placeOf(is)] as const;
  const isOld = places[0] !== places[1] && (await comparePlaces(comparison, path, places));
  const present = namesOf(is);
  const names = [isOld ? sameNamesIn(was, present) : namesOf(was), present] as const;
  return [...new Set([...names[0].keys(), ...names[1].keys()])].map((name) => ({
    path: joinBytes(path, name),
    level: level + 1,
    was: names[0].get(name),
    is: names[1].get(name),
  }));
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
async function comparePlaces(
  comparison: Comparison,
  path: BytePath,
  places: readonly [BytePath, BytePath],
): Promise<boolean> {
  const b = lstatSync(asBytes(places[1]));
  if (b.ctimeMs < comparison.untouchedBefore - MARGIN_MS) return true;
  const a = lstatSync(asBytes(places[0]));
  if (isUntouched(a, b, comparison.clonedAfter)) return false;
  if (await alike(places, a, b)) comparison.alike.push({path, places});
  else comparison.changes.push({path, kind: 'changed'});
  return false;
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

async function alike(places: readonly [BytePath, BytePath], a: Stats, b: Stats): Promise<boolean> {
  if (a.dev === b.dev && a.ino === b.ino) return true;
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid) return false;
  if (a.isFile()) return a.size === b.size && sameContent(places, [a, b]);
  if (a.isSymbolicLink()) return target(places[0]) === target(places[1]);
  return !isDevice(a) || a.rdev === b.rdev;
}

function isDevice(stats: Stats): boolean {
  return stats.isCharacterDevice() || stats.isBlockDevice();
}

function target(link: BytePath): string {
  return readlinkSync(asBytes(link), 'latin1');
}

/** Pairs whose attributes are read by one program, and are in memory meanwhile. */
const ALIKE_AT_ONCE = 10_000;

async function compareAttributes({alike, changes}: Comparison): Promise<void> {
  const pairs = alike.splice(0);
  const attributes = await readAttributes(pairs.flatMap(({places}) => places));
  for (const {path, places} of pairs) {
    const [was, is] = places.map((place) => attributes.get(place)?.join('\n'));
    if (was !== is) changes.push({path, kind: 'changed'});
  }
}
