/**
 * Advisory locks that the kernel frees when their holder dies, however it dies: flock(2) on an open file. Node has
 * no call for it, but another program can lock an open file that it inherits (calls.ts, or flock(1)); the lock belongs to
 * the open file description, so it stays ours when that ends, and goes when the last copy of the descriptor does.
 */
import {closeSync, fstatSync, openSync, statSync} from 'node:fs';
import {dirname} from 'node:path';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {callWords, TAKEN} from './calls.ts';
import {inDirectory} from './files.ts';
import {endable, stoppable} from './interruption.ts';
import {notStarted, runAtOnce, start} from './programs.ts';

/**
 * Runs `work` while holding an exclusive lock on `path`, which is made if missing. Waits as long as it takes, or until it is
 * interrupted. Only the holder may remove the file: those who wait for it then start again on a new one.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    const fd = openLockFile(path);
    if (fd === undefined) return work();
    try {
      await lock(fd, path);
      if (isAt(fd, path)) return await work();
    } finally {
      closeSync(fd);
    }
  }
}

/**
 * On a file system that is read-only here the file is locked as it is: to others it may be writable. Undefined where it is
 * not even there; then nobody holds a lock on it, and nobody changes anything by this way.
 */
function openLockFile(path: string): number | undefined {
  try {
    return inDirectory(dirname(path), () => openSync(path, 'a', 0o600));
  } catch (error) {
    if (errnoOf(error) !== 'EROFS') throw error;
  }
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return undefined;
  }
}

/** Whether the file that was opened is still the one of that name; else somebody may hold another one. */
export function isAt(fd: number, path: string): boolean {
  const [own, present] = [fstatSync(fd), statSync(path, {throwIfNoEntry: false})];
  return present !== undefined && present.ino === own.ino && present.dev === own.dev;
}

/** Waits for an exclusive lock on an open file of ours, which is called `path`. An interruption ends the wait. */
export async function lock(fd: number, path: string): Promise<void> {
  // Most are free: to wait for a program takes longer than the program.
  if (tryLock(fd, 'exclusive') !== true) await waitForLock(fd, path);
}

/** Whether an open file of ours is locked now; false when somebody else has it, undefined where there are no such locks. */
export function tryLock(fd: number, how: 'exclusive' | 'shared'): boolean | undefined {
  const [file, ...args] = callWords([how === 'shared' ? 'share-now' : 'lock-now', OPEN], () => [
    ...(['flock', `--${how}`, '--nonblock', '--conflict-exit-code', String(TAKEN), String(OPEN)] as const),
  ]);
  const status = runAtOnce(file, args, ['ignore', 'ignore', 'ignore', fd]);
  return status === TAKEN ? false : status === 0 ? true : undefined;
}

/** The number by which the program has the open file. */
const OPEN = 3;

function waitForLock(fd: number, path: string): Promise<void> {
  const [file, ...args] = callWords(['lock', OPEN], () => ['flock', '--exclusive', String(OPEN)]);
  const child = start(file, args, {stdio: ['ignore', 'ignore', 'inherit', fd]});
  const locked = new Promise<void>((resolve, reject) => {
    child.once('error', (error) => {
      reject(notStarted(file, error));
    });
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else
        reject(
          new ChrootctlError('FAILED', `cannot lock ${path} (flock ended with ${signal ?? code ?? ''})`),
        );
    });
  });
  return stoppable(locked, endable(), () => child.kill());
}
