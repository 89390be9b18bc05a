/** A file that fills the disk at random times, and what is known of when it did. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {rmSync, statfsSync, truncateSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import type {Random} from '../vm/power-cut/random.ts';

/** Bytes: the ballast is not made of smaller pieces than that. */
const SMALLEST = 16 << 10;

export class Ballast {
  readonly #room: string;
  readonly #path: string;
  readonly #times: {from: number; to: number}[] = [];

  /** `room`: a directory on the file system to fill. */
  constructor(room: string) {
    this.#room = room;
    this.#path = join(room, 'ballast');
  }

  get times(): number {
    return this.#times.length;
  }

  /** Whether the disk was full, or nearly so, at any moment between the two. */
  wasFull(began: number, ended: number): boolean {
    return this.#times.some(({from, to}) => from <= ended && to >= began);
  }

  /** Fills the disk now and then, as long as `goesOn`; afterwards it is gone. */
  async keepComing(random: Random, goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      await sleep(2000 + random.below(10_000));
      if (!goesOn()) return;
      const time = {from: Date.now(), to: Infinity};
      this.#times.push(time);
      try {
        // With a little left, a command comes further before it fails.
        await this.#fill(random.happens(0.5) ? 0 : random.below(400 << 10));
        await sleep(200 + random.below(1500));
      } finally {
        rmSync(this.#path, {force: true});
        time.to = Date.now();
      }
    }
  }

  async #fill(left: number): Promise<void> {
    const {bfree, bsize} = statfsSync(this.#room);
    let size = 0;
    for (let step = Math.max(bfree * bsize, SMALLEST); step >= SMALLEST;) {
      const words = ['--offset', String(size), '--length', String(step), this.#path];
      const [code] = (await once(spawn('fallocate', words, {stdio: 'ignore'}), 'exit')) as [number | null];
      if (code === 0) size += step;
      else step = Math.floor(step / 2);
    }
    if (size > 0) truncateSync(this.#path, Math.max(0, size - left));
  }
}
