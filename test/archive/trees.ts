/** Directories for the tests of archives, and what is in them. */
import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/** Runs `work` with an empty directory that is gone afterwards. */
export async function inTemporary<T>(work: (directory: string) => T | Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'archive-'));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, {recursive: true, force: true});
  }
}

/** A tree that nobody may touch; `canary` in it is named by hostile archives. */
export function plantCanary(directory: string): string {
  const canary = join(directory, 'canary');
  mkdirSync(canary);
  writeFileSync(join(canary, 'secret'), 'secret\n', {mode: 0o600});
  return canary;
}

/** Everything about a tree that an archive should keep, one line a file, sorted. Names are shown as hex. */
export function describe(root: string): string[] {
  const lines: string[] = [];
  const inodes = new Map<string, string>();
  const visit = (directory: Buffer, relative: Buffer): void => {
    const path = Buffer.concat([directory, Buffer.from('/')]);
    for (const name of readdirSync(directory, {encoding: 'buffer'}).sort((a, b) => Buffer.compare(a, b))) {
      const full = Buffer.concat([path, name]);
      const shown = Buffer.concat([relative, Buffer.from('/'), name]);
      lines.push(describeOne(full, shown.toString('latin1'), inodes));
      if (lstatSync(full).isDirectory()) visit(full, shown);
    }
  };
  lines.push(describeOne(Buffer.from(root), '', inodes));
  visit(Buffer.from(root), Buffer.alloc(0));
  return [...lines, ...attributes(root)];
}

function describeOne(path: Buffer, shown: string, inodes: Map<string, string>): string {
  const stat = lstatSync(path, {bigint: true});
  const first = inodes.get(String(stat.ino));
  if (!stat.isDirectory()) inodes.set(String(stat.ino), first ?? shown);
  const what = stat.isSymbolicLink()
    ? `-> ${readlinkSync(path, {encoding: 'latin1'})}`
    : stat.isFile()
      ? `${stat.size} ${createHash('sha256').update(readFileSync(path)).digest('hex')} ${stat.blocks * 512n < stat.size ? 'holes' : 'full'}`
      : stat.isBlockDevice() || stat.isCharacterDevice()
        ? `device ${stat.rdev}`
        : '';
  const same = first === undefined ? '' : `same as ${JSON.stringify(first)}`;
  return [JSON.stringify(shown), stat.mode.toString(8), stat.uid, stat.gid, stat.mtimeNs, what, same].join(
    ' ',
  );
}

/** Extended attributes and ACLs, by the programs that show them. */
function attributes(root: string): string[] {
  const show = (file: string, args: string[]): string[] =>
    execFileSync(file, args, {cwd: root, encoding: 'latin1', stdio: ['ignore', 'pipe', 'ignore']})
      .split('\n\n')
      .sort();
  return [
    ...show('getfattr', ['-R', '-P', '-h', '-d', '-m', '^(user|security)\\.', '-e', 'hex', '.']),
    ...show('getfacl', ['-R', '-P', '-n', '-s', '.']),
  ].filter((text) => text.trim() !== '');
}
