/** Containers that share the store: long-lived, each with a pid namespace and mounts of its own, and killed now and then. */
import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {setTimeout as sleep} from 'node:timers/promises';
import {childrenOf} from '../../src/sandbox/processes.ts';
import {CONTAINER} from '../cli/chrootctl.ts';
import type {Random} from '../vm/power-cut/random.ts';
import {pick} from './world.ts';

/** Milliseconds between two things that happen to places. */
const BETWEEN = 3000;
/** How often it is that one is killed; else gc runs in it. */
const KILLED = 0.5;

/** One that is killed is started anew, in namespaces that are others. */
export class Place {
  #outer: ChildProcess | undefined;
  #first: number | undefined;
  /** How many there were before it. */
  killed = 0;

  async start(): Promise<void> {
    const [file, ...words] = [...CONTAINER, 'sh', '-c', 'echo up; while :; do sleep 1; done'];
    const outer = spawn(file, words, {stdio: ['ignore', 'pipe', 'ignore']});
    await once(outer.stdout, 'data');
    const [first] = childrenOf(outer.pid!);
    if (first === undefined) throw new Error('a container ended as soon as it had begun');
    [this.#outer, this.#first] = [outer, first];
  }

  /** Words that start something in it. */
  get through(): string[] {
    return ['nsenter', '--target', String(this.#first), '--pid', '--mount', '--'];
  }

  get isUp(): boolean {
    return this.#first !== undefined;
  }

  /** Kills its process 1, and so all that is in it. */
  async kill(): Promise<void> {
    const first = this.#first!;
    this.#first = undefined;
    this.killed++;
    const closed = once(this.#outer!, 'close');
    process.kill(first, 'SIGKILL');
    await closed;
  }
}

export class Places {
  readonly #all: Place[] = [];

  static async start(count: number): Promise<Places> {
    const places = new Places();
    for (let number = 0; number < count; number++) {
      const place = new Place();
      await place.start();
      places.#all.push(place);
    }
    return places;
  }

  get killed(): number {
    return this.#all.reduce((sum, {killed}) => sum + killed, 0);
  }

  /** One of them; undefined for the host. */
  async choose(random: Random, {withoutHost}: {withoutHost: boolean}): Promise<Place | undefined> {
    if (!withoutHost && random.happens(1 / (this.#all.length + 1))) return undefined;
    for (;;) {
      const up = this.#all.filter(({isUp}) => isUp);
      if (up.length > 0) return pick(random, up);
      if (!withoutHost) return undefined;
      await sleep(20);
    }
  }

  /** Kills them, and collects in them, for as long as it goes on; then they are all killed. */
  async keepChanging(
    random: Random,
    goesOn: () => boolean,
    collect: (place: Place) => Promise<void>,
  ): Promise<void> {
    while (this.#all.length > 0 && goesOn()) {
      await sleep(random.below(BETWEEN));
      const place = pick(random, this.#all);
      if (!random.happens(KILLED)) await collect(place);
      else {
        await place.kill();
        await place.start();
      }
    }
  }

  /** Afterwards nothing of what has run in them does. */
  async end(): Promise<void> {
    for (const place of this.#all) await place.kill();
  }
}
