/**
 * Extended attributes, ACLs among them (system.posix_acl_*), by getfattr(1) and setfattr(1): Node has no calls for
 * them. Names go in as NUL-separated lists and come back quoted, so any byte may occur in them.
 */
import {run} from '../system/process.ts';
import {asBytes, bytePath, type BytePath} from './bytes.ts';

/** Kept by overlayfs for itself: no part of what the volume shows. The SELinux label is the mount's business. */
const NOT_CONTENT = /^(?:trusted\.overlay\.|security\.selinux=)/;

const OPAQUE = '^trusted\\.overlay\\.opaque$';

/** What a tree shows: each file's attributes as sorted `name=0xHEX` lines. Files without any do not occur. */
export async function readAttributes(paths: readonly BytePath[]): Promise<Map<BytePath, string[]>> {
  if (paths.length === 0) return new Map();
  const dump = await run(
    'xargs',
    [
      '--null',
      'getfattr',
      '--no-dereference',
      '--absolute-names',
      '--dump',
      '--match=-',
      '--encoding=hex',
      '--',
    ],
    {...input(paths), encoding: 'latin1', maxBuffer: Infinity},
  );
  return new Map(
    blocksOf(dump)
      .map(({path, lines}) => [path, lines.filter((line) => !NOT_CONTENT.test(line)).sort()] as const)
      .filter(([, lines]) => lines.length > 0),
  );
}

/** Whether the directory itself has attributes that a copy of it would have to be given. */
export async function hasAttributes(directory: string): Promise<boolean> {
  return (await readAttributes([bytePath(directory)])).size > 0;
}

/** Gives the directory `to` the attributes of the directory `from`. */
export async function copyAttributes(from: string, to: string): Promise<void> {
  const attributes = (await readAttributes([bytePath(from)])).get(bytePath(from)) ?? [];
  const dump = ['# file: .', ...attributes, ''].join('\n');
  await run('setfattr', ['--restore=-'], {stdin: 'pipe', input: asBytes(dump), cwd: to});
}

/** For each tree, the directories in it (relative, '' for itself) that hide what lies below them in other layers. */
export async function opaqueDirectories(trees: readonly string[]): Promise<Set<BytePath>[]> {
  if (trees.length === 0) return [];
  const dump = await run(
    'getfattr',
    ['--recursive', '--physical', '--no-dereference', '--absolute-names', `--match=${OPAQUE}`, '--'].concat(
      trees,
    ),
    {encoding: 'latin1', maxBuffer: Infinity},
  );
  const paths = blocksOf(dump).map(({path}) => path);
  return trees.map((tree) => {
    const root = bytePath(tree);
    const below = paths.filter((path) => path === root || path.startsWith(`${root}/`));
    return new Set(below.map((path) => path.slice(root.length + 1)));
  });
}

/** Those of the directories that hide what lies below them in other layers. */
export async function opaqueAmong(directories: readonly BytePath[]): Promise<Set<BytePath>> {
  if (directories.length === 0) return new Set();
  const dump = await run(
    'xargs',
    ['--null', 'getfattr', '--no-dereference', '--absolute-names', `--match=${OPAQUE}`, '--'],
    {...input(directories), encoding: 'latin1', maxBuffer: Infinity},
  );
  return new Set(blocksOf(dump).map(({path}) => path));
}

export async function makeOpaque(directories: readonly BytePath[]): Promise<void> {
  if (directories.length === 0) return;
  await run(
    'xargs',
    ['--null', 'setfattr', '--no-dereference', '--name=trusted.overlay.opaque', '--value=y', '--'],
    input(directories),
  );
}

/** A list for `xargs --null`. */
export function input(paths: readonly BytePath[]): {stdin: 'pipe'; input: Buffer} {
  return {stdin: 'pipe', input: asBytes(paths.map((path) => `${path}\0`).join(''))};
}

function blocksOf(dump: string): {path: BytePath; lines: string[]}[] {
  return dump
    .split('\n\n')
    .map((block) => block.split('\n').filter((line) => line !== ''))
    .filter((lines) => lines.length > 0)
    .map(([head = '', ...lines]) => ({path: unquote(head.replace(/^# file: /, '')), lines}));
}

/** getfattr writes newline, carriage return and backslash as a backslash and three octal digits. */
function unquote(name: string): BytePath {
  return name.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
