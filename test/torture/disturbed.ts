/** Calls that something happens to while they run: a signal, to the process or to all of its group. */
import type {ChildProcess} from 'node:child_process';
import {setTimeout as sleep} from 'node:timers/promises';
import {childrenOf} from '../../src/sandbox/processes.ts';
import {outcomeOf, type Cli, type Outcome} from '../cli/chrootctl.ts';
import type {Random} from '../vm/power-cut/random.ts';
import type {Disturbance} from './journal.ts';
import type {Place} from './places.ts';

/** How often a call is disturbed, and how. */
const CHANCES: readonly [Disturbance, number][] = [
  ['pause', 0.1],
  ['kill', 0.08],
  ['kill-group', 0.06],
  ['interrupt', 0.03],
  ['terminate', 0.03],
];

/** A call that takes as long as that, in milliseconds, has no end. */
const HUNG_MS = 180_000;

/** Milliseconds that a process may be stopped for. */
const LONGEST_PAUSE = 1500;

export class Disturber {
  readonly #cli: Cli;
  /** How long a call of each kind takes, in milliseconds. */
  readonly #usual = new Map<string, number>();

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  choose(random: Random): Disturbance {
    let at = random.fraction();
    for (const [disturbance, chance] of CHANCES) if ((at -= chance) < 0) return disturbance;
    return 'none';
  }

  /** Calls, and disturbs at a random moment of the time that such a call usually takes. Without a place on the host. */
  async call(
    kind: string,
    words: readonly string[],
    {disturbance, random, place}: {disturbance: Disturbance; random: Random; place?: Place | undefined},
  ): Promise<Outcome & {isHung: boolean; disturbance: Disturbance}> {
    const killed = place?.killed;
    const began = Date.now();
    const usual = this.#usual.get(kind) ?? 500;
    // A group of its own; else there would be no killing it alone.
    const child = this.#cli.start(words, {detached: true, through: place?.through ?? []});
    child.stdin?.on('error', () => undefined); // A command that reads nothing closes it early.
    child.stdin?.end();
    const outcome = outcomeOf(child);
    let isHung = false;
    const watchdog = setTimeout(() => {
      isHung = true;
      process.kill(-(child.pid ?? NaN), 'SIGKILL');
    }, HUNG_MS);
    if (disturbance !== 'none') {
      await sleep(random.fraction() * usual * 1.2);
      await this.#disturb(child, disturbance, random, place !== undefined);
    }
    const result = await outcome;
    clearTimeout(watchdog);
    if (place?.killed !== killed) return {...result, isHung, disturbance: 'kill-container'};
    if (disturbance === 'none') this.#usual.set(kind, usual * 0.8 + (Date.now() - began) * 0.2);
    return {...result, isHung, disturbance};
  }

  async #disturb(
    child: ChildProcess,
    disturbance: Disturbance,
    random: Random,
    isElsewhere: boolean,
  ): Promise<void> {
    const send = (signal: NodeJS.Signals): void => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      // In a container it is the child of what has entered that, which waits for it.
      const pid = isElsewhere ? childrenOf(child.pid!)[0] : child.pid;
      if (pid !== undefined) tolerant(() => process.kill(pid, signal));
    };
    switch (disturbance) {
      case 'kill':
        send('SIGKILL');
        return;
      case 'kill-group':
        if (child.exitCode === null && child.signalCode === null)
          tolerant(() => process.kill(-(child.pid ?? NaN), 'SIGKILL'));
        return;
      case 'interrupt':
        send('SIGINT');
        return;
      case 'terminate':
        send('SIGTERM');
        return;
      case 'pause':
        send('SIGSTOP');
        await sleep(random.below(LONGEST_PAUSE));
        send('SIGCONT');
        // What has entered a container stops when its child does.
        child.kill('SIGCONT');
        return;
      case 'kill-container':
      case 'none':
    }
  }
}

/** It may end at any moment. */
function tolerant(kill: () => void): void {
  try {
    kill();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
