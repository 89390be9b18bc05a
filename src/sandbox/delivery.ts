/** Sends signals to the command of a sandbox, keeping those that come before there is one. */
import {signal, type Process} from '../system/processes.ts';
import {descendantOf, descendantsOf} from './processes.ts';
import type {Receiver} from './signals.ts';

/** How often to look for the command when it should be there any moment. */
const LOOK_AGAIN_MS = 2;

export class Delivery implements Receiver {
  readonly sharesKeys: boolean;
  #outer: number | undefined;
  #between = 0;
  readonly #waiting: NodeJS.Signals[] = [];
  #isOpen = false;
  #first: NodeJS.Signals | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #outlives: boolean;
  readonly #left: Process[] = [];

  /** @param outlives whether what the command starts goes on when it ends, in a sandbox that is held */
  constructor(sharesKeys: boolean, {outlives = false}: {outlives?: boolean} = {}) {
    this.sharesKeys = sharesKeys;
    this.#outlives = outlives;
  }

  /** Names the outermost process of the chain, and how many there are between it and the command. */
  begin(outer: number | undefined, between: number): void {
    this.#outer = outer;
    this.#between = between;
  }

  /** The first signal of all: what ends a sandbox that has not come to its command yet. */
  get first(): NodeJS.Signals | undefined {
    return this.#first;
  }

  /** The terminal sends this one to the command itself. */
  note(name: NodeJS.Signals): void {
    this.#first ??= name;
  }

  /** Signals go to the command as soon as there is one. */
  send(name: NodeJS.Signals): void {
    this.note(name);
    this.#waiting.push(name);
    this.#flush();
  }

  /** From now on there is a process 1 inside, or what is about to become it; its child is the command. */
  open(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#flush();
  }

  /**
   * Tells the command to end. In a sandbox that outlives it all that it has started until then is noted, for what is done
   * when it has ended.
   */
  end(): void {
    this.#note();
    this.send('SIGTERM');
    // A stopped process takes no SIGTERM before it goes on.
    this.send('SIGCONT');
  }

  /** Ends process 1 of the outer namespace, and with it all there is; our child then ends by itself. */
  kill(): void {
    this.#note();
    const target = this.#descendant(1) ?? this.#descendant(0);
    if (target !== undefined) signal(target, 'SIGKILL');
  }

  /** Kills what is left of a command that was told to end. */
  sweep(): void {
    for (const process of this.#left.splice(0)) signal(process, 'SIGKILL');
  }

  #note(): void {
    const command = this.#outlives ? this.#descendant(this.#between + 1) : undefined;
    if (command !== undefined) this.#left.push(...descendantsOf(command));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#isOpen = false;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    if (!this.#isOpen || this.#waiting.length === 0) return;
    const command = this.#descendant(this.#between + 1);
    if (command === undefined) {
      this.#timer = setTimeout(() => this.#flush(), LOOK_AGAIN_MS);
      return;
    }
    for (const name of this.#waiting.splice(0)) signal(command, name);
  }

  #descendant(generations: number): Process | undefined {
    return this.#outer === undefined ? undefined : descendantOf(this.#outer, generations);
  }
}
