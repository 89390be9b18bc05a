/**
 * Advisory locks that the kernel frees when their holder dies, however it dies: flock(2) on an open file. Node has
 * no call for it, but flock(1) can lock an open file that it inherits; the lock belongs to the open file
 * description, so it stays ours when flock(1) ends, and goes when the last copy of the descriptor does.
 */
import {closeSync, openSync} from 'node:fs';
import {spawn} from 'node:child_process';
import {ChrootctlError} from '../errors.ts';
import {notStarted} from './process.ts';

/**
 * Runs `work` while holding an exclusive lock on `path` (made if missing, never removed: removing a lock file that
 * others wait for would give two holders). Waits as long as it takes.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const fd = openSync(path, 'a', 0o600);
  try {
    await lock(fd, path);
    return await work();
  } finally {
    closeSync(fd);
  }
}

function lock(fd: number, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['--exclusive', '3'], {stdio: ['ignore', 'ignore', 'inherit', fd]});
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
}
