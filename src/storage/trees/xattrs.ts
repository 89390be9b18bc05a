/**
 * Extended attributes, ACLs among them (system.posix_acl_*), by getfattr(1) and setfattr(1): Node has no calls for
 * them. Names go in as NUL-separated lists and come back quoted, so any byte may occur in them.
 */
import {closeSync} from 'node:fs';
import {attemptSoon, outputIn, run} from '../../system/programs.ts';
import {allDirectoriesIn, bytePath, nameOf, parentOf, type BytePath} from './bytes.ts';
import {LONG, openDirectory, shortened, throughDescriptor} from './reach.ts';

/** Kept by overlayfs for itself: no part of what the volume shows. The SELinux label is the mount's business. */
const NOT_CONTENT = /^(?:trusted\.overlay\.|security\.selinux=)/;

const OPAQUE = 'trusted.overlay.opaque';
const REDIRECT = 'trusted.overlay.redirect';

/** What overlayfs has noted on the directories of a layer; paths are relative to it. */
export interface Marks {
  /** Those that hide what lies below them in other layers. */
  opaque: Set<BytePath>;
  /** Those that were renamed: where the layers below have them, as overlayfs wrote it. */
  redirects: Map<BytePath, BytePath>;
}

/** What a tree shows: each file's attributes as sorted `name=0xHEX` lines. Files without any do not occur. */
export async function readAttributes(paths: readonly BytePath[]): Promise<Map<BytePath, string[]>> {
  return new Map(
    (await allAttributes(paths))
      .map(({path, lines}) => [path, lines.filter(isContent).sort()] as const)
      .filter(([, lines]) => lines.length > 0),
  );
}

export interface Noted {
  /** The root directory has attributes that a copy of it would have to be given. */
  rootAttributes: boolean;
  /** There are directories in it that are marked as renamed. */
  hasRenamed: boolean;
}

/** What has been noted on a layer that was written to, told by one look; of the first it is the root directory. */
export async function notedOn(directories: readonly BytePath[]): Promise<Noted> {
  const noted = await allAttributes(directories);
  return {
    rootAttributes: noted.some(({path, lines}) => path === directories[0] && lines.some(isContent)),
    hasRenamed: noted.some(({lines}) => lines.some((line) => line.startsWith(`${REDIRECT}=`))),
  };
}

async function allAttributes(paths: readonly BytePath[]): Promise<Block[]> {
  return look(paths, ['--dump', '--match=-', '--encoding=hex']);
}

/** Paths that are longer than a call takes, at once: for each a directory is open meanwhile. */
const LONG_AT_ONCE = 100;

async function look(paths: readonly BytePath[], options: readonly string[]): Promise<Block[]> {
  const blocks = await blocksFor(
    paths.filter((path) => path.length < LONG),
    options,
  );
  const long = paths.filter((path) => path.length >= LONG);
  for (let at = 0; at < long.length; at += LONG_AT_ONCE) {
    const real = new Map<BytePath, BytePath>();
    const open: number[] = [];
    try {
      for (const path of long.slice(at, at + LONG_AT_ONCE)) {
        const fd = openDirectory(shortened(parentOf(path)));
        open.push(fd);
        real.set(`${throughDescriptor(fd)}/${nameOf(path)}`, path);
      }
      const found = await blocksFor([...real.keys()], options);
      blocks.push(...found.map(({path, lines}) => ({path: real.get(path) ?? path, lines})));
    } finally {
      open.forEach(closeSync);
    }
  }
  return blocks;
}

async function blocksFor(paths: readonly BytePath[], options: readonly string[]): Promise<Block[]> {
  if (paths.length === 0) return [];
  const words = ['--no-dereference', '--absolute-names', ...options, '--'];
  const encoding = 'latin1';
  return blocksOf(
    areWords(paths)
      ? outputIn(await attemptSoon('getfattr', [...words, ...paths], {encoding}), 'getfattr')
      : await run('xargs', ['--null', 'getfattr', ...words], {...input(paths), encoding, isEndable: true}),
  );
}

/** Bytes of paths that a program can be given as its words, all together: no more than it looks at in a moment. */
const MOST_IN_WORDS = 16 * 1024;

/** Whether these paths can be given as words: what is not ASCII would come out as other bytes. */
function areWords(paths: readonly BytePath[]): boolean {
  const size = paths.reduce((sum, path) => sum + path.length + 9, 0);
  return size <= MOST_IN_WORDS && paths.every((path) => /^[\0-\x7f]*$/.test(path));
}

function isContent(line: string): boolean {
  return !NOT_CONTENT.test(line);
}

/** Gives the directory `to` the attributes of the directory `from`. */
export async function copyAttributes(from: string, to: string): Promise<void> {
  const attributes = (await readAttributes([bytePath(from)])).get(bytePath(from)) ?? [];
  const dump = ['# file: .', ...attributes, ''].join('\n');
  await run('setfattr', ['--restore=-'], {input: Buffer.from(dump, 'latin1'), cwd: to});
}

const MARKS = ['--dump', '--encoding=hex', `--match=^(${OPAQUE}|${REDIRECT})$`.replaceAll('.', '\\.')];

/** Directories that are worth a program of their own. */
const MANY = 2000;

/** The marks of all directories in each of the trees; there are none on its own. Of small ones several are looked at together. */
export async function marksIn(trees: readonly string[]): Promise<Marks[]> {
  const roots = trees.map(bytePath);
  const all = roots.map((): Marks => ({opaque: new Set(), redirects: new Map()}));
  let waiting: BytePath[] = [];
  const lookAtThem = async (): Promise<void> => {
    for (const {path, opaque, redirect} of markedIn(await look(waiting, MARKS))) {
      const tree = roots.findIndex((root) => path.startsWith(`${root}/`));
      const relative = path.slice((roots[tree]?.length ?? 0) + 1);
      if (opaque) all[tree]?.opaque.add(relative);
      if (redirect !== undefined) all[tree]?.redirects.set(relative, redirect);
    }
    waiting = [];
  };
  for (const root of roots)
    for await (const directories of allDirectoriesIn(root)) {
      waiting = [...waiting, ...directories.filter((path) => path !== root)];
      if (waiting.length >= MANY) await lookAtThem();
    }
  await lookAtThem();
  return all;
}

/** Those of the directories that hide what lies below them in other layers. */
export async function opaqueAmong(directories: readonly BytePath[]): Promise<BytePath[]> {
  return markedIn(await look(directories, MARKS)).flatMap((found) => (found.opaque ? [found.path] : []));
}

/** The same with all that is in them. */
export async function opaqueBelow(trees: readonly BytePath[]): Promise<BytePath[]> {
  const opaque: BytePath[][] = [];
  for (const tree of trees)
    for await (const directories of allDirectoriesIn(tree)) opaque.push(await opaqueAmong(directories));
  return opaque.flat();
}

function markedIn(
  blocks: readonly Block[],
): {path: BytePath; opaque: boolean; redirect: BytePath | undefined}[] {
  return blocks.map(({path, lines}) => {
    const values = new Map(lines.map((line) => line.split('=', 2) as [string, string]));
    const redirect = values.get(REDIRECT);
    return {path, opaque: values.has(OPAQUE), redirect: redirect && unhex(redirect)};
  });
}

export async function makeOpaque(directories: readonly BytePath[]): Promise<void> {
  if (directories.length === 0) return;
  await run(
    'xargs',
    ['--null', 'setfattr', '--no-dereference', `--name=${OPAQUE}`, '--value=y', '--'],
    input(directories),
  );
}

/** A list for `xargs --null`. */
export function input(paths: readonly BytePath[]): {input: Buffer} {
  return {input: Buffer.from(paths.map((path) => `${path}\0`).join(''), 'latin1')};
}

interface Block {
  path: BytePath;
  lines: string[];
}

function blocksOf(dump: string): Block[] {
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

/** From getfattr's `0x…`, bytes as they are. */
function unhex(value: string): BytePath {
  return Buffer.from(value.slice(2), 'hex').toString('latin1');
}
