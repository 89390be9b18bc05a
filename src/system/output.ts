/** Writing to an open file that may be anything: a pipe whose reader is slow, a full disk, a terminal. */
import {writeSync} from 'node:fs';
import {errnoOf} from '../errors.ts';

/** How long to wait where a write does not wait by itself: somebody else has set the pipe or terminal so (O_NONBLOCK). */
const PAUSE_MS = 5;

/** Writes all of it, now. @throws the error of write(2) */
export function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if (errnoOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    }
  }
}
