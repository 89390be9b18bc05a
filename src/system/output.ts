/** Writing to an open file that may be anything: a pipe whose reader is slow, a full disk, a terminal. */
import {closeSync, constants, fstatSync, openSync, writeSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {errnoOf} from '../errors.ts';
import {endable, throwIfAborted} from './interruption.ts';

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

/**
 * The same for output of any length, whose reader may take its time, or may have stopped: what waits for it ends when it is
 * told to. A write that waits by itself cannot be ended, so a pipe or terminal is opened anew, not to wait; whoever else
 * has it notices nothing.
 */
export class LongOutput {
  readonly #fd: number;
  readonly #own: number | undefined;

  constructor(fd: number) {
    this.#own = openedNotToWait(fd);
    this.#fd = this.#own ?? fd;
  }

  /** @throws the error of write(2); Interrupted */
  async write(text: string): Promise<void> {
    const signal = endable();
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) {
      try {
        at += writeSync(this.#fd, bytes, at);
      } catch (error) {
        if (errnoOf(error) !== 'EAGAIN') throw error;
        await sleep(PAUSE_MS);
        throwIfAborted(signal);
      }
    }
  }

  close(): void {
    if (this.#own !== undefined) closeSync(this.#own);
  }
}

/** Undefined for what never keeps a writer waiting, and where it cannot be opened: the reader is gone, or it is somebody else's. */
function openedNotToWait(fd: number): number | undefined {
  const stats = fstatSync(fd);
  if (!stats.isFIFO() && !stats.isCharacterDevice()) return undefined;
  try {
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
    return openSync(`/proc/self/fd/${fd}`, flags);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
