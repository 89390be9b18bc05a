/** Btrfs subvolumes, by btrfs(8): Node has no call for ioctl(2). */
import {accessSync, constants, lstatSync} from 'node:fs';
import {ChrootctlError, errnoOf} from '../../errors.ts';
import {endable, stoppable} from '../../system/interruption.ts';
import {lastLine, notStarted, start} from '../../system/programs.ts';
import {requireRights} from '../../system/refusal.ts';

/** The number of the root directory of every subvolume, and of nothing else on btrfs (BTRFS_FIRST_FREE_OBJECTID). */
const ROOT_INODE = 256;

export function isSubvolume(path: string): boolean {
  return lstatSync(path, {throwIfNoEntry: false})?.ino === ROOT_INODE;
}

/** Whether nobody can write to a subvolume, root neither. */
export function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (error) {
    if (errnoOf(error) === 'EROFS') return true;
    throw error;
  }
}

/**
 * Whoever owns the directory can make a subvolume; to delete it again, and to find those inside it, takes root's rights.
 * @throws ChrootctlError NOT_PERMITTED when we could not
 */
function requireDeletable(): void {
  requireRights('a subvolume could not be deleted again', ['SYS_ADMIN'], {ofMachine: true});
}

export async function createSubvolume(path: string): Promise<void> {
  requireDeletable();
  await btrfs(['subvolume', 'create', path]);
}

/**
 * Clones the subvolume `from` in its present state, what is not written to the disk yet included. On the disk when it
 * returns: the kernel commits a transaction for it.
 */
export async function snapshotSubvolume(
  from: string,
  to: string,
  {readOnly = false}: {readOnly?: boolean} = {},
): Promise<void> {
  requireDeletable();
  await btrfs(['subvolume', 'snapshot', ...(readOnly ? ['-r'] : []), from, to]);
}

export async function makeReadOnly(path: string): Promise<void> {
  await btrfs(['property', 'set', '-t', 'subvol', path, 'ro', 'true']);
}

export interface NewExtents {
  bytes: number;
  /** No extent of the subvolume is newer than this. */
  generation: number;
}

/**
 * What was written to a subvolume after a generation of the file system, as far as it is on the disk. Reads the
 * metadata that is newer, nothing else. Bytes are those of the files, before compression.
 */
export async function extentsAfter(path: string, generation: number): Promise<NewExtents> {
  let [bytes, newest] = [0, NaN];
  // A name with a newline in it can pretend to be another extent. All it can do is to make its own volume look larger.
  await btrfs(['subvolume', 'find-new', path, String(generation + 1)], (line) => {
    const length = /^inode \d+ file offset \d+ len (\d+) /.exec(line)?.[1];
    if (length !== undefined) bytes += Number(length);
    const marker = /^transid marker was (\d+)$/.exec(line)?.[1];
    if (marker !== undefined) newest = Number(marker);
  });
  if (Number.isNaN(newest)) throw new ChrootctlError('FAILED', 'btrfs subvolume find-new gave no generation');
  return {bytes, generation: newest};
}

/**
 * Runs btrfs(8) and gives its output, one character a byte, or each line of it to `onLine`. Started directly: this is
 * on the path of `run`, where loading the library that starts other programs would cost more than all the rest.
 * An interruption ends it.
 * @throws ChrootctlError FAILED
 */
export async function btrfs(words: readonly string[], onLine?: (line: string) => void): Promise<string> {
  // In a session of its own: Ctrl-C at the terminal is for us to act on.
  const child = start('btrfs', words, {stdio: ['ignore', 'pipe', 'pipe'], detached: true});
  let [output, complaint] = ['', ''];
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    output += text;
    if (onLine === undefined) return;
    const lines = output.split('\n');
    output = lines.pop() ?? '';
    lines.forEach(onLine);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) => reject(notStarted('btrfs', error)));
    child.once('close', resolve);
  });
  const code = await stoppable(ended, endable(), () => child.kill());
  if (code === 0) return output;
  const why = lastLine(complaint).replace(/^ERROR: /, '');
  const isFull = /No space left|quota exceeded/.test(why);
  throw new ChrootctlError(
    'FAILED',
    `btrfs ${words.slice(0, 2).join(' ')} failed: ${why}`,
    isFull ? {hint: 'free some space (chrootctl prune, chrootctl gc) and try again'} : {},
  );
}
