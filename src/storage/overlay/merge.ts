/**
 * Several layers made into one that shows the same, or one of its own that does so without renamed directories. Files
 * are hard-linked, not copied: nobody writes to a layer any more. (Their link counts therefore count the layers too;
 * paths and groups of links stay what they were.)
 */
import {linkSync, mkdirSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {ChrootctlError, errnoOf} from '../../errors.ts';
import {removeIfExists} from '../../system/files.ts';
import {endable, Pauses} from '../../system/interruption.ts';
import {run} from '../../system/programs.ts';
import {Aliases} from './aliases.ts';
import {asBytes, asText, bytePath, joinBytes, type BytePath} from '../trees/bytes.ts';
import {
  contributing,
  listUnion,
  located,
  openBelow,
  openPartOfStack,
  rootOf,
  samePlaces,
  type Layer,
  type Place,
} from '../trees/union.ts';
import {input, makeOpaque} from '../trees/xattrs.ts';

/** A merge is made of whole paths (linkat(2) could do without, tar(1) cannot). */
const LONGEST_PATH = 3900;

/** There are paths in the layers that are too long for a merge of them. */
export class TooDeepToMerge extends ChrootctlError {
  constructor(path: BytePath) {
    super(
      'FAILED',
      `a directory was renamed, and there are paths of more than ${LONGEST_PATH} bytes: /${asText(path).slice(0, 100)}…`,
      {hint: 'give the directory its old name, or make the tree less deep'},
    );
  }
}

interface Merge {
  target: BytePath;
  /** Layers that stay below the merged one. */
  below: ReadonlySet<Layer>;
  aliases: Aliases;
  /** Directories, as the places that their attributes come from. */
  attributes: BytePath[];
  opaque: BytePath[];
  /** Files with too many links for one more, by the directories in which their paths lead to them. */
  unlinkable: Map<BytePath, BytePath[]>;
  /** Those that files have been linked from. */
  sources: Set<BytePath>;
}

/** A directory of the merged layer. */
interface Directory {
  path: BytePath;
  /** What it shows is merged from these. */
  in: readonly Place[];
  /** What the layers below would show in its place. */
  hidden: readonly Place[];
}

/**
 * Merges `layers` (names in the directory `volumes`, top first) into the directory `target`, which must not exist, to be
 * seen above the layers `below`. What renamed directories have from those is in it too. Gives the names of all layers
 * that it shares files with. Needs a syncfs(2) before anything may rely on it.
 */
export async function mergeLayers(
  volumes: string,
  layers: readonly string[],
  below: readonly string[],
  target: string,
): Promise<string[]> {
  const directoryOf = (layer: string): string => join(volumes, layer);
  const part = await openPartOfStack(layers.map(directoryOf));
  const stack = await openBelow(part, below.map(directoryOf), await pathsIn(part));
  const merge: Merge = {
    target: bytePath(target),
    below: new Set(stack.slice(part.length)),
    aliases: new Aliases(join(dirname(target), ALIASES)),
    attributes: [],
    opaque: [],
    unlinkable: new Map(),
    sources: new Set(),
  };
  await mergeDirectories(merge, stack);
  await copyUnlinkable(merge, target);
  await makeOpaque(merge.opaque);
  await takeAttributes(volumes, merge, target);
  merge.aliases.delete();
  return [...layers, ...below].filter((layer) => merge.sources.has(bytePath(directoryOf(layer))));
}

/** All directories that the stack shows, but its root; parents before children. */
async function pathsIn(stack: readonly Layer[]): Promise<BytePath[]> {
  const pauses = new Pauses(endable());
  const found: Omit<Directory, 'hidden'>[] = [{path: '', in: rootOf(stack)}];
  for (const directory of found) {
    for (const [name, shown] of listUnion(directory.in))
      if (shown.kind === 'directory') found.push({path: joinBytes(directory.path, name), in: shown.in});
    if (pauses.isDue) await pauses.now();
  }
  return found.map(({path}) => path).slice(1);
}

/**
 * What the layers below have for a directory goes on being seen through it, if that is what they would show in its
 * place. It may be something else: the directory hides what they have, or it was renamed. Then all of it is taken in.
 *
 * A whiteout stays only where the directory has another below it, in which it hides something. Elsewhere it must not:
 * overlayfs lists a directory that it need not merge as it is, and the name would be seen. There are such without being
 * opaque: made anew after a commit had removed another of that name, whose whiteout is in a layer further down.
 */
async function mergeDirectories(merge: Merge, stack: readonly Layer[]): Promise<void> {
  const pauses = new Pauses(endable());
  const root = rootOf(stack);
  const all: Directory[] = [{path: '', in: root, hidden: root.filter(({layer}) => merge.below.has(layer))}];
  for (let next = all.pop(); next !== undefined; next = all.pop()) {
    const {path, in: places, hidden} = next;
    const beneath = places.filter(({layer}) => merge.below.has(layer));
    const isSeenThrough = samePlaces(beneath, hidden);
    if (path.length > LONGEST_PATH) throw new TooDeepToMerge(path);
    mkdirSync(asBytes(joinBytes(merge.target, path)));
    if (!isSeenThrough && hidden.length > 0) merge.opaque.push(joinBytes(merge.target, path));
    // The lone dot marks where the path in the merged layer begins; see takeAttributes.
    merge.attributes.push(`${merge.aliases.baseOf(places[0] as Place, path)}/./${path}`);
    const left = isSeenThrough ? hidden : [];
    const names = isSeenThrough
      ? listUnion(places.slice(0, places.length - beneath.length), beneath)
      : listUnion(places);
    for (const [name, shown] of names) {
      const child = joinBytes(path, name);
      if (shown.kind === 'directory') all.push({path: child, in: shown.in, hidden: contributing(left, name)});
      else if (shown.kind === 'file' || left.length > 0) link(merge, shown.in[0] as Place, child);
      if (pauses.isDue) await pauses.now();
    }
  }
}

function link({target, aliases, unlinkable, sources}: Merge, from: Place, path: BytePath): void {
  try {
    linkSync(asBytes(located(from)), asBytes(joinBytes(target, path)));
    sources.add(from.layer.root);
  } catch (error) {
    if (errnoOf(error) !== 'EMLINK') throw error;
    const base = aliases.baseOf(from, path);
    const paths = unlinkable.get(base) ?? [];
    paths.push(path);
    unlinkable.set(base, paths);
  }
}

/** One call for each base, so that links among the copied files stay links. */
async function copyUnlinkable({unlinkable}: Merge, target: string): Promise<void> {
  for (const [base, paths] of unlinkable) {
    await run(
      'xargs',
      [
        '--null',
        'cp',
        '-a',
        '--preserve=xattr',
        '--reflink=auto',
        '--parents',
        '--target-directory',
        target,
        '--',
      ],
      {
        ...input(paths.map((path) => `./${path}`)),
        cwd: asBytes(base).toString(),
        diesWithUs: true,
        isEndable: true,
      },
    );
  }
}

/**
 * Modes, owners, times to the nanosecond, ACLs and extended attributes of directories, by an archive that holds
 * nothing but directories. The transformation cuts off everything up to the lone dot.
 */
async function takeAttributes(volumes: string, {attributes}: Merge, target: string): Promise<void> {
  const archive = join(dirname(target), ATTRIBUTES);
  const prefix = bytePath(volumes).length + 1;
  const names = attributes.map((place) => place.slice(prefix));
  const xattrs = ['--acls', '--xattrs', '--xattrs-include=*'];
  const create = [
    '--create',
    '--format=posix',
    '--no-recursion',
    '--null',
    '--verbatim-files-from',
    '--files-from=-',
  ];
  const only = ['--xattrs-exclude=trusted.overlay.*', '--transform=s,^.*/\\.\\(/\\|$\\),./,'];
  const extract = [
    '--extract',
    '--preserve-permissions',
    '--same-owner',
    '--numeric-owner',
    '--delay-directory-restore',
  ];
  // 'ID/fs/./path' becomes './path'.
  await run('tar', [...create, ...xattrs, ...only, '--numeric-owner', '--file', archive], {
    ...input(names),
    cwd: volumes,
    diesWithUs: true,
    isEndable: true,
  });
  await run('tar', [...extract, ...xattrs, '--file', archive, '--directory', target], {
    diesWithUs: true,
    isEndable: true,
  });
  removeIfExists(archive);
}

/** Both lie beside the merged layer while that is made. */
export const ALIASES = 'work/renamed';
export const ATTRIBUTES = 'attributes.tar';
