/**
 * Durable file operations. A file that must survive a power cut is written beside its place, flushed, renamed
 * over it, and the directory is flushed too: rename(2) is atomic, but only fsync(2) of the directory makes it last.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import {dirname} from 'node:path';
import {ChrootctlError, errnoOf, messageOf} from '../errors.ts';

let temporaries = 0;

/** Name of a temporary beside `path`; the pid tells a collector whose it was. */
export function temporaryBeside(path: string): string {
  return `${path}.${process.pid}.${temporaries++}.tmp`;
}

/** Runs `work` on an open file of that path, which an error of the system then names, as those of Node for a path do. */
export function naming<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (errnoOf(error) !== undefined && (error as NodeJS.ErrnoException).path === undefined)
      Object.assign(error as Error, {path, message: `${messageOf(error)} '${path}'`});
    throw error;
  }
}

/** A file that is replaced: everybody sees the new one, but whether a power cut brings the old one back is not known. */
export class Unconfirmed extends ChrootctlError {
  constructor(path: string, cause: unknown) {
    super('FAILED', `the disk has not confirmed ${path}: ${messageOf(cause)}`, {
      hint: 'look at the disk (dmesg): after a power cut the state before may be back',
      cause,
    });
  }
}

/**
 * Replaces `path` atomically and durably: afterwards it holds all of `content`, whatever happens to the machine.
 * @throws Unconfirmed when it is replaced, but may not last; after any other error it is as it was
 */
export function writeDurably(path: string, content: string, mode = 0o644): void {
  const temporary = temporaryBeside(path);
  try {
    const fd = openSync(temporary, 'wx', mode);
    try {
      // Not writeSync: on a disk that is nearly full that writes a part and calls it a success.
      naming(path, () => {
        writeFileSync(fd, content);
        fsyncSync(fd);
      });
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, {force: true});
    throw error;
  }
  try {
    syncDirectory(dirname(path));
  } catch (error) {
    throw new Unconfirmed(path, error);
  }
}

/** Replaces `path` atomically, without waiting for the disk: for what need not outlive the machine. */
export function writeAtomically(path: string, content: string, mode = 0o644): void {
  const temporary = temporaryBeside(path);
  try {
    naming(path, () => writeFileSync(temporary, content, {flag: 'wx', mode}));
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, {force: true});
    throw error;
  }
}

/** Makes renames, creations and removals inside `directory` durable. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    naming(directory, () => fsyncSync(fd));
  } finally {
    closeSync(fd);
  }
}

/** Makes one directory, with this mode whatever the umask. */
export function makeDirectory(directory: string, mode = 0o755): void {
  mkdirSync(directory);
  chmodSync(directory, mode);
}

/** Makes `directory` and what leads to it, each step durable. */
export function makeDirectoryDurably(directory: string, mode = 0o755): void {
  const made = mkdirSync(directory, {recursive: true, mode});
  if (made !== undefined) syncDirectory(dirname(made));
}

/** The text of a file, or undefined where there is none. */
export function readIfExists(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether a power cut took the end or the middle of a JSON record of ours that nobody had waited for. */
export function isTorn(text: string): boolean {
  return !text.endsWith('}\n') || text.includes('\0');
}

/** Removes one file; says whether it was there. */
export function removeIfExists(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    // Said of what is not there, too.
    if (errnoOf(error) === 'EROFS' && !existsSync(path)) return false;
    throw error;
  }
}
