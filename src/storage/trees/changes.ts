/**
 * What differs between two volumes, found in their layers without mounting them. Where both show the very same
 * directory or file of the same layer, nothing below can differ and nothing is read: the cost is that of what the
 * two do not share.
 */
import {lstatSync, readlinkSync, type Stats} from 'node:fs';
import {asBytes, asText, bytePath, joinBytes, parentOf, type BytePath} from './bytes.ts';
import {sameContent} from './content.ts';
import {endable, Pauses} from '../../system/interruption.ts';
import type {Change, Enough} from '../driver.ts';
import {forgetReached, refuseTooDeep} from './reach.ts';
import {Undecided, type Found} from './undecided.ts';
import {listUnion, openStacks, placeOf, rootOf, samePlaces, type Shown} from './union.ts';

/** What the two show at a path; undefined where one has nothing. */
interface Compared {
  path: BytePath;
  name: BytePath;
  /** How many directories lead there. */
  level: number;
  was: Shown | undefined;
  is: Shown | undefined;
  /** Known once it has been compared itself. */
  below: Below;
}

/** What may differ within: nothing; what the first has under the names that the second has; anything. */
type Below = 'nothing' | 'same names' | 'anything';

/** What comes next: a path itself, or what is within directories, of which there is more than one where names read the same. */
type Step = {key: string; itself: Compared} | {key: string; within: Compared[]};

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
  /** Absolute, as inside the root: nothing else is compared. */
  only?: readonly string[] | undefined;
}

/**
 * Paths that differ in type, mode, owner, content, link target, device number or extended attributes; not in times
 * alone. Sorted by path, and given as they are found: in memory are the entries of the directories on the way, and what
 * waits for a look at extended attributes. Both stacks are absolute directories, top first.
 */
export async function* changesBetween(
  from: readonly string[],
  to: readonly string[],
  {enough = () => false, only, ...times}: ComparisonOptions = {},
): AsyncGenerator<Change, void> {
  const wanted = only === undefined ? undefined : new Wanted(only);
  const undecided = new Undecided();
  try {
    const [was = [], is = []] = (await openStacks(from, to)).map(rootOf);
    const pauses = new Pauses(endable());
    const [inWas, inIs] = [was, is].map((places): Shown => ({kind: 'directory', in: places}));
    const ahead = stepsFor([{path: '', name: '', level: 0, was: inWas, is: inIs, below: 'anything'}]);
    let isOver = false;
    for (let step = ahead.pop(); step !== undefined && !isOver; step = ahead.pop()) {
      if ('within' in step) {
        const children = step.within.flatMap(childrenOf);
        for (const next of stepsFor(wanted?.waysAmong(children) ?? children)) ahead.push(next);
      } else if (enough(undecided.found)) isOver = true;
      else {
        const {itself} = step;
        refuseTooDeep(itself.path, itself.level);
        const found = await compare(times, itself);
        if (found !== undefined && wanted?.has(itself.path) !== false) undecided.add(found);
        if (undecided.isFull) await undecided.compareAttributes();
        for (const change of undecided.takeDecided()) yield change;
      }
      if (pauses.isDue) await pauses.now();
    }
    if (!isOver) await undecided.compareAttributes();
    for (const change of undecided.takeAll()) yield change;
  } finally {
    forgetReached();
  }
}

/**
 * In the order of whole paths, the last one first. What is in a directory `a` comes after `a-b`, as `a/` does: it is a step
 * of its own.
 */
function stepsFor(children: readonly Compared[]): Step[] {
  const steps: Step[] = [];
  const directories = new Map<string, Compared[]>();
  for (const child of children) {
    const name = asText(child.name);
    steps.push({key: name, itself: child});
    if (child.was?.kind !== 'directory' && child.is?.kind !== 'directory') continue;
    const namesakes = directories.get(name);
    namesakes?.push(child);
    if (namesakes !== undefined) continue;
    const within = [child];
    directories.set(name, within);
    steps.push({key: `${name}/`, within});
  }
  return steps.sort((a, b) => (a.key > b.key ? -1 : a.key < b.key ? 1 : 0));
}

/** Paths that were asked for, and what leads there. */
class Wanted {
  readonly #paths: ReadonlySet<BytePath>;
  readonly #ways = new Set<BytePath>();

  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths.map((path) => bytePath(path.slice(1))));
    for (const path of this.#paths) for (let way = path; way !== ''; way = parentOf(way)) this.#ways.add(way);
  }

  has(path: BytePath): boolean {
    return this.#paths.has(path);
  }

  waysAmong(children: readonly Compared[]): Compared[] {
    return children.filter(({path}) => this.#ways.has(path));
  }
}

/** Looks at a path itself, and notes what is to be looked at within. Undefined where it is the same for certain. */
async function compare(
  times: Pick<ComparisonOptions, 'clonedAfter' | 'untouchedBefore'>,
  compared: Compared,
): Promise<Found | undefined> {
  const {path, was, is} = compared;
  if (was === undefined || is === undefined)
    return {path, kind: is === undefined ? 'deleted' : 'added', places: []};
  if (sameOrigin(was, is)) compared.below = 'nothing';
  const places = [placeOf(was), placeOf(is)] as const;
  if (places[0] === places[1]) return undefined;
  const b = lstatSync(asBytes(places[1]));
  if (b.ctimeMs < (times.untouchedBefore ?? 0) - MARGIN_MS) {
    compared.below = 'same names';
    return undefined;
  }
  const a = lstatSync(asBytes(places[0]));
  if (isUntouched(a, b, times.clonedAfter ?? 0)) return undefined;
  return {path, kind: (await alike(places, a, b)) ? undefined : 'changed', places};
}

/** What is in it in either, if it is a directory there. */
function childrenOf({path, level, was, is, below}: Compared): Compared[] {
  if (below === 'nothing') return [];
  const present = is === undefined ? NOTHING : namesOf(is);
  const before =
    was === undefined ? NOTHING : below === 'same names' ? sameNamesIn(was, present) : namesOf(was);
  return [...new Set([...before.keys(), ...present.keys()])].map((name) => ({
    path: joinBytes(path, name),
    name,
    level: level + 1,
    was: before.get(name),
    is: present.get(name),
    below: 'anything',
  }));
}

const NOTHING: ReadonlyMap<BytePath, Shown> = new Map();

/** What the first tree has in a directory that the second has not changed: names come and go with the time of theirs. */
function sameNamesIn(from: Shown, present: ReadonlyMap<BytePath, Shown>): Map<BytePath, Shown> {
  const within = from.in[0];
  if (within === undefined) return new Map();
  const {layer, path} = within;
  return new Map(
    [...present].map(([name, {kind}]) => [name, {kind, in: [{layer, path: joinBytes(path, name)}]}]),
  );
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
