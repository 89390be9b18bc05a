/**
 * Subvolumes that somebody made inside a volume: systemd does, in a root that is a subvolume (tmpfiles.d(5), `v`). They
 * keep their volume from being deleted, and a snapshot shows empty directories in their place.
 */
import {lstatSync} from 'node:fs';
import {run} from '../../system/programs.ts';
import type {BytePath} from '../trees/bytes.ts';
import {btrfs} from './subvolumes.ts';
import {input} from '../trees/xattrs.ts';

interface Nested {
  id: string;
  /** Relative to the volume's own subvolume. */
  path: BytePath;
}

const DELETE = ['subvolume', 'delete'];

/** Deletes a subvolume with those in it. One that is gone, or goes meanwhile, is no error. */
export async function deleteSubvolume(path: string): Promise<void> {
  try {
    await deleteWithNested(path);
  } catch (error) {
    if (lstatSync(path, {throwIfNoEntry: false}) !== undefined) throw error;
  }
}

async function deleteWithNested(path: string): Promise<void> {
  try {
    await btrfs([...DELETE, path]);
  } catch (error) {
    const nested = await nestedIn(path);
    if (nested.length === 0) throw error;
    for (const {id} of nested) await btrfs([...DELETE, '--subvolid', id, path]);
    await btrfs([...DELETE, path]);
  }
}

/** What lies inside the subvolume at `path`, at any depth, each before that which it lies in. */
export async function nestedIn(path: string): Promise<Nested[]> {
  // Looks at every subvolume of the file system: 4 ms for a thousand. btrfs(8) knows no narrower question.
  if (listed(await btrfs(['subvolume', 'list', '-o', path])).length === 0) return [];
  const own = await idOf(path);
  const place = await placeOf(own, path);
  const all = listed(await btrfs(['subvolume', 'list', path]));
  const nested: Nested[] = [];
  for (const id of below(own, all)) {
    // The list can be deceived by names with newlines in them; the kernel's answer for one id cannot.
    const found = await placeOf(id, path);
    if (found.startsWith(`${place}/`)) nested.push({id, path: found.slice(place.length + 1)});
  }
  return nested.sort((a, b) => b.path.length - a.path.length);
}

/**
 * Makes directories with the same contents out of the empty ones that the snapshot `to` shows where `from` has
 * subvolumes. Blocks are shared; times of the directories around them stay.
 */
export async function copyNested(from: string, to: string, nested: readonly Nested[]): Promise<void> {
  const outermost = nested.filter(({path}) => !nested.some((other) => path.startsWith(`${other.path}/`)));
  await run('xargs', ['--null', '--max-args=1', 'sh', '-c', COPY, 'sh', from, to], {
    ...input(outermost.map(({path}) => path)),
    diesWithUs: true,
    isEndable: true,
  });
}

const COPY = `
set -e
case $3 in
*/*) around=/\${3%/*} ;;
*) around= ;;
esac
rmdir -- "$2/$3"
cp -a --preserve=xattr --reflink=auto --no-target-directory -- "$1/$3" "$2/$3"
touch --no-create --reference="$1$around" -- "$2$around"
`;

interface Listed {
  id: string;
  /** Id of the subvolume that it lies in. */
  parent: string;
}

function listed(output: string): Listed[] {
  const lines = output.matchAll(/^ID (\d+) gen \d+ top level (\d+) path /gm);
  return [...lines].map(([, id = '', parent = '']) => ({id, parent}));
}

function below(id: string, all: readonly Listed[], known = new Set<string>()): Set<string> {
  for (const child of all) {
    if (child.parent !== id || known.has(child.id)) continue;
    known.add(child.id);
    below(child.id, all, known);
  }
  return known;
}

async function idOf(path: string): Promise<string> {
  return (await btrfs(['inspect-internal', 'rootid', path])).trim();
}

/** Where in the file system a subvolume is, whatever part of it is mounted. */
async function placeOf(id: string, path: string): Promise<BytePath> {
  return (await btrfs(['inspect-internal', 'subvolid-resolve', id, path])).replace(/\n$/, '');
}
