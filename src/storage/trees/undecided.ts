/**
 * What a comparison has found, in order. Extended attributes are read of many files by one program, so that what was found
 * at a path, and all that comes after it, may have to wait for that.
 */
import type {Change} from '../driver.ts';
import {asText, type BytePath} from './bytes.ts';
import {readAttributes} from './xattrs.ts';

export interface Found {
  path: BytePath;
  /** Undefined: all that lstat(2) and reading tell is alike; the attributes at the two `places` decide. */
  kind: Change['kind'] | undefined;
  places: readonly BytePath[];
}

/** Paths that wait at most. */
const MOST = 10_000;
/** Characters in them that are as much, in trees that are very deep. */
const MOST_CHARACTERS = 1 << 22;

export class Undecided {
  /** How many changes there have been. */
  found = 0;
  #waiting: Found[] = [];
  #characters = 0;

  get isFull(): boolean {
    return this.#waiting.length >= MOST || this.#characters >= MOST_CHARACTERS;
  }

  add(found: Found): void {
    this.#waiting.push(found);
    this.#characters += found.path.length;
    if (found.kind !== undefined) this.found++;
  }

  async compareAttributes(): Promise<void> {
    const alike = this.#waiting.filter(({kind}) => kind === undefined);
    const attributes = await readAttributes(alike.flatMap(({places}) => places));
    for (const found of alike) {
      const [was, is] = found.places.map((place) => attributes.get(place)?.join('\n'));
      if (was === is) continue;
      found.kind = 'changed';
      this.found++;
    }
    this.#waiting = this.#waiting.filter(({kind}) => kind !== undefined);
  }

  /** The changes before the first path that waits. */
  takeDecided(): Change[] {
    const end = this.#waiting.findIndex(({kind}) => kind === undefined);
    return this.#take(end < 0 ? this.#waiting.length : end);
  }

  /** All changes; of what waits it is left open. */
  takeAll(): Change[] {
    return this.#take(this.#waiting.length);
  }

  #take(count: number): Change[] {
    const taken = this.#waiting.splice(0, count);
    if (this.#waiting.length === 0) this.#characters = 0;
    return taken.flatMap(({path, kind}) => (kind === undefined ? [] : [{path: `/${asText(path)}`, kind}]));
  }
}
