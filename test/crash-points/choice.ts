/** Which deaths are died, where there is no time for all. */
import {Random} from '../vm/power-cut/random.ts';
import type {Step} from './steps.ts';

/** Every name of a step once, in the first command that has it, and of the others a share by chance. */
export class Choice {
  readonly #seen = new Set<string>();
  readonly #random: Random;
  readonly #share: number;

  /** @param share of the steps whose names have been chosen already, from 0 to 1 */
  constructor(seed: number, share: number) {
    this.#random = new Random(seed);
    this.#share = share;
  }

  of(steps: readonly Step[]): Step[] {
    return steps.filter(({name}) => {
      const isNew = !this.#seen.has(name);
      this.#seen.add(name);
      return isNew || this.#random.fraction() < this.#share;
    });
  }
}
