/**
 * Signs of life that need no look at the living: a lock on a file, held for as long as its holder lives. The kernel frees
 * it with the holder's end, and tells everybody who has the file whether it is held: in whatever container he is, whatever
 * he sees of processes, numbers and boots.
 *
 * A file that has not been locked yet tells nothing. So whoever has locked one takes the right to write away from its mode;
 * it is replaced, never written to. That also a program can do that was given the descriptor: the lock is the open
 * file's, and ours as long as we have it open (lock.ts).
 */
import {closeSync, constants, fchmodSync, fstatSync, openSync} from 'node:fs';
import {errnoOf} from '../errors.ts';
import {isAt, lock, tryLock} from './lock.ts';

/** The mode of a file that has been locked for life. */
export const LOCKED_MODE = 0o400;

/** Locks a file of ours that is open, until it is closed or we end. Starts a helper: not for the path of `run`. */
export async function lockForLife(fd: number, path: string): Promise<void> {
  await lock(fd, path);
  fchmodSync(fd, LOCKED_MODE);
}

/** Whether the holder of a lock for life lives; undefined where there is no file, or none has been locked yet. */
export function isHeld(path: string): boolean | undefined {
  return isLocked(path, {once: true});
}

/**
 * Whether somebody holds a lock on the file, which may be this process; undefined where there is no such file.
 * @param once undefined too for one that nobody has locked for life yet
 */
export function isLocked(path: string, {once = false} = {}): boolean | undefined {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  try {
    if (once && (fstatSync(fd).mode & 0o777) !== LOCKED_MODE) return undefined;
    // In the way of nobody who tries the same at the same time.
    const isFree = tryLock(fd, 'shared');
    // Another file may have come into its place, with an owner of its own.
    return isFree === undefined || !isAt(fd, path) ? undefined : !isFree;
  } finally {
    closeSync(fd);
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
