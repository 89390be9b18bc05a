/** Random numbers that a seed determines, so that what they led to can be had again. */
import {createHash} from 'node:crypto';

export class Random {
  readonly #seed: string;
  #drawn = 0;

  constructor(...seed: (string | number)[]) {
    this.#seed = seed.join('/');
  }

  /** From 0 up to, but not, 1. */
  fraction(): number {
    return createHash('sha256').update(`${this.#seed}/${this.#drawn++}`).digest().readUInt32LE() / 2 ** 32;
  }

  /** One of 0 … `count - 1`. */
  below(count: number): number {
    return Math.floor(this.fraction() * count);
  }

  happens(probability: number): boolean {
    return this.fraction() < probability;
  }
}
