/** A tree written down so thoroughly that two listings are equal only when the trees are. */
import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {lstatSync, readdirSync, readFileSync, readlinkSync, type BigIntStats} from 'node:fs';

export interface ListingOptions {
  /** Which times of modification to list, in nanoseconds. Default: all but the root directory's. */
  times?: 'all' | 'files' | 'none';
}

/** One line per path, sorted: what it is, its attributes, and the other names of the same file. */
export function listTree(root: string, {times}: ListingOptions = {}): string[] {
  const entries = walk(root, '');
  const names = new Map<bigint, string[]>();
  for (const {path, stats} of entries) names.set(stats.ino, [...(names.get(stats.ino) ?? []), path]);
  const attributes = attributesOf(root);
  return entries.map(({path, stats}) => {
    const withTime = isTimed(times, path, stats);
    return [
      JSON.stringify(path),
      stats.mode.toString(8),
      `${stats.uid}:${stats.gid}`,
      kindOf(root, path, stats),
      withTime ? String(stats.mtimeNs) : '',
      stats.isDirectory() ? '' : `links ${JSON.stringify(names.get(stats.ino))}`,
      (attributes.get(path) ?? []).join(' '),
    ].join(' ');
  });
}

function isTimed(times: ListingOptions['times'], path: string, stats: BigIntStats): boolean {
  if (times === 'all') return true;
  return times === undefined ? path !== '' : times === 'files' && !stats.isDirectory();
}

/** Names are read and kept as latin1: one character a byte. */
function walk(root: string, path: string): {path: string; stats: BigIntStats}[] {
  const stats = lstatSync(bytes(root, path), {bigint: true});
  const below = stats.isDirectory() ? readdirSync(bytes(root, path), {encoding: 'latin1'}).sort() : [];
  return [{path, stats}, ...below.flatMap((name) => walk(root, `${path}/${name}`))];
}

function kindOf(root: string, path: string, stats: BigIntStats): string {
  if (stats.isFile()) return `file ${stats.size} ${hash(readFileSync(bytes(root, path)))}`;
  if (stats.isSymbolicLink()) return `link ${JSON.stringify(readlinkSync(bytes(root, path), 'latin1'))}`;
  if (stats.isCharacterDevice() || stats.isBlockDevice()) return `device ${stats.rdev}`;
  return stats.isDirectory() ? 'directory' : 'other';
}

/** Extended attributes and ACLs by path, without those that overlayfs and the host's policy keep for themselves. */
function attributesOf(root: string): Map<string, string[]> {
  const dump = execFileSync('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '.'], {
    cwd: root,
    encoding: 'latin1',
    maxBuffer: 1 << 28,
  });
  const all = new Map<string, string[]>();
  for (const block of dump.trimEnd().split('\n\n')) {
    const [head = '', ...lines] = block.split('\n').filter((line) => line !== '');
    const path = head
      .replace(/^# file: (\.$)?/, '')
      .replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    all.set(
      path === '' ? '' : `/${path}`,
      lines.filter((line) => !/^(trusted\.overlay\.|security\.selinux)/.test(line)).sort(),
    );
  }
  return all;
}

function bytes(root: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(root), Buffer.from(path, 'latin1')]);
}

function hash(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}

/** Something synchronous as work for `withTree` and the like. */
export function doing(work: (tree: string) => void): (tree: string) => Promise<void> {
  return (tree) => Promise.resolve().then(() => work(tree));
}
