/**
 * Advisory locks that the kernel frees when their holder dies, however it dies: flock(2) on an open file. Node has
 * no call for it, but flock(1) can lock an open file that it inherits; the lock belongs to the open file
 * description, so it stays ours when flock(1) ends, and goes when the last copy of the descriptor does.
 */
import {closeSync, fstatSync, openSync, statSync} from 'node:fs';
import {dirname} from 'node:path';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {inDirectory} from './files.ts';
import {endable, stoppable} from './interruption.ts';
import {notStarted, start} from './programs.ts';

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
export function lock(fd: number, path: string): Promise<void> {
  const child = start('flock', ['--exclusive', '3'], {stdio: ['ignore', 'ignore', 'inherit', fd]});
  const locked = new Promise<void>((resolve, reject) => {
    child.once('error', (error) => {
      reject(notStarted('flock', error));
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
