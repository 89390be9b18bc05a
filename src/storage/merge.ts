/**
 * Several immutable layers made into one that shows the same. Files are hard-linked, not copied: nobody writes to a
 * layer any more. (Their link counts therefore count the layers too; paths and groups of links stay what they were.)
 */
import {linkSync, mkdirSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {errnoOf} from '../errors.ts';
import {removeIfExists} from '../system/files.ts';
import {run} from '../system/process.ts';
import {asBytes, bytePath, joinBytes, parentOf, type BytePath} from './bytes.ts';
import {contributing, listUnion, openBelow, openPartOfStack, placeOf, rootOf, type Layer} from './union.ts';
import {input, makeOpaque} from './xattrs.ts';

interface Merge {
  stack: readonly Layer[];
  target: BytePath;
  /** Directories, as the places in the layers that their attributes come from. */
  attributes: BytePath[];
  opaque: BytePath[];
  /** Files with too many links for one more, as [place, path]. */
  unlinkable: [BytePath, BytePath][];
}

/** A directory of the merged layer. */
interface Directory {
  path: BytePath;
  /** Indexes of the layers that contribute, the first of them its attributes. */
  within: readonly number[];
  /** Hides what the layers below the merged ones have there. */
  opaque: boolean;
}

/**
 * Merges `layers` (names in the directory `volumes`, top first) into the directory `target`, which must not exist, to be
 * seen above the layers `below`. Needs a syncfs(2) before anything may rely on it.
 */
export async function mergeLayers(
  volumes: string,
  layers: readonly string[],
  below: readonly string[],
  target: string,
): Promise<void> {
  const stack = await openPartOfStack(layers.map((layer) => join(volumes, layer)));
  const merge: Merge = {stack, target: bytePath(target), attributes: [], opaque: [], unlinkable: []};
  const directories = [...directoriesOf(stack, rootOf(stack), '', false)];
  const paths = directories.map(({path}) => path).slice(1);
  const lower = await openBelow(
    below.map((layer) => join(volumes, layer)),
    paths,
  );
  mergeDirectories(merge, directories, lower);
  await copyUnlinkable(merge, target);
  await makeOpaque(merge.opaque);
  await takeAttributes(volumes, merge, target);
}

/** All directories that the stack shows, the root first, parents before children. */
function* directoriesOf(
  stack: readonly Layer[],
  within: readonly number[],
  path: BytePath,
  opaque: boolean,
): Generator<Directory> {
  yield {path, within, opaque};
  for (const [name, shown] of listUnion(stack, within, path))
    if (shown.kind === 'directory')
      yield* directoriesOf(stack, shown.in, joinBytes(path, name), shown.opaque);
}

/**
 * A whiteout stays only where the directory has another below it, in which it hides something. Elsewhere it must not:
 * overlayfs lists a directory that it need not merge as it is, and the name would be seen. There are such without being
 * opaque: made anew after a commit had removed another of that name, whose whiteout is in a layer further down.
 */
function mergeDirectories(merge: Merge, directories: readonly Directory[], lower: readonly Layer[]): void {
  const {stack, target} = merge;
  const below = new Map<BytePath, readonly number[]>();
  for (const {path, within, opaque} of directories) {
    const belowParent = path === '' ? rootOf(lower) : (below.get(parentOf(path)) ?? []);
    const hidden = path === '' ? belowParent : contributing(lower, belowParent, path);
    mkdirSync(asBytes(joinBytes(target, path)));
    if (opaque && hidden.length > 0) merge.opaque.push(joinBytes(target, path));
    below.set(path, opaque ? [] : hidden);
    // The lone dot marks where the layer's own path ends; see takeAttributes.
    merge.attributes.push(`${(stack[within[0] as number] as Layer).root}/./${path}`);
    // Listed again rather than kept: there may be many.
    for (const [name, shown] of listUnion(stack, within, path)) {
      const child = joinBytes(path, name);
      const isSeen = shown.kind === 'file' || (shown.kind === 'whiteout' && !opaque && hidden.length > 0);
      if (isSeen) link(merge, placeOf(stack, shown, child), child);
    }
  }
}

function link(merge: Merge, from: BytePath, path: BytePath): void {
  try {
    linkSync(asBytes(from), asBytes(joinBytes(merge.target, path)));
  } catch (error) {
    if (errnoOf(error) !== 'EMLINK') throw error;
    merge.unlinkable.push([from, path]);
  }
}

/** One call, so that links among the copied files stay links. */
async function copyUnlinkable({stack, unlinkable}: Merge, target: string): Promise<void> {
  for (const {root} of stack) {
    const paths = unlinkable.filter(([from]) => from.startsWith(`${root}/`)).map(([, path]) => `./${path}`);
    if (paths.length === 0) continue;
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
      {...input(paths), cwd: asBytes(root).toString(), diesWithUs: true},
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
  const only = ['--xattrs-exclude=trusted.overlay.*', '--transform=s,^[^/]*/[^/]*/,,'];
  const extract = [
    '--extract',
    '--preserve-permissions',
    '--same-owner',
    '--numeric-owner',
    '--delay-directory-restore',
  ];
  // 'ID/fs/./path' becomes './path': a layer's own name has two parts.
  await run('tar', [...create, ...xattrs, ...only, '--numeric-owner', '--file', archive], {
    ...input(names),
    cwd: volumes,
    diesWithUs: true,
  });
  await run('tar', [...extract, ...xattrs, '--file', archive, '--directory', target], {diesWithUs: true});
  removeIfExists(archive);
}

/** Lies beside the merged layer while that is made. */
export const ATTRIBUTES = 'attributes.tar';
