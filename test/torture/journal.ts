/** What was called, and what came of it: all that the checker has to go by. */
import type {Outcome} from '../cli/chrootctl.ts';

/** `kill-container`: process 1 of the container that it ran in. */
export type Disturbance =
  'none' | 'pause' | 'kill' | 'kill-group' | 'kill-container' | 'interrupt' | 'terminate';

/** What a call would do if it came to its end. */
export type Intent =
  | {type: 'none'}
  /** Reads the tree of a version that is whole. */
  | {type: 'read'}
  /**
   * Makes a version: of a new generation, or of what a session holds (null). `name` is its message and nobody else's.
   * With `follows`, the commit must find `latest` where it started from.
   */
  | {
      type: 'commit';
      image: string;
      name: string;
      generation: string | null;
      follows: boolean;
      session?: string;
    }
  | {type: 'move'; image: string}
  /** Removes versions; `all`: the image. */
  | {type: 'remove'; image: string | null; all: boolean}
  | {type: 'begin'; session: string; name: string | null}
  | {type: 'write'; session: string; generation: string}
  | {type: 'end'; session: string};

export interface Plan {
  kind: string;
  words: readonly string[];
  intent: Intent;
  /** An answer other than this error is expected of a call that nobody disturbs. */
  mayFail?: readonly string[];
}

export interface Call extends Plan, Outcome {
  number: number;
  /** Milliseconds since the epoch. */
  began: number;
  ended: number;
  disturbance: Disturbance;
  /** Whether it ran in a container. */
  isElsewhere: boolean;
  /** Whether it had to be killed in the end, since it had none. */
  isHung: boolean;
  /** Whether the disk was full at any time meanwhile. */
  isFull: boolean;
  /** `unknown`: it was killed, stopped or without space, so it may have done what was meant or not. */
  outcome: 'done' | 'failed' | 'unknown';
}

export interface Problem {
  what: string;
  /** The calls that have to do with it. */
  calls: readonly Call[];
}

export class Journal {
  readonly calls: Call[] = [];
  readonly problems: Problem[] = [];
  /** When the last call began that showed a version, by `IMAGE@VERSION`. */
  readonly lastSeen = new Map<string, number>();
  /** The generation that is in a version, where that is known. */
  readonly expected = new Map<string, string>();
  #numbers = 0;

  nextNumber(): number {
    return ++this.#numbers;
  }

  problem(what: string, calls: readonly Call[] = []): void {
    this.problems.push({what, calls});
  }

  /** A version was there at that time or later. */
  saw(reference: string, time: number): void {
    this.lastSeen.set(reference, Math.max(time, this.lastSeen.get(reference) ?? 0));
  }

  /** Images that versions were committed to. */
  images(): string[] {
    return this.meant('commit').map(({intent}) => intent.image);
  }

  /** Calls with such an intent, in the order in which they ended. */
  meant<T extends Intent['type']>(type: T): (Call & {intent: Extract<Intent, {type: T}>})[] {
    return this.calls.filter(
      (call): call is Call & {intent: Extract<Intent, {type: T}>} => call.intent.type === type,
    );
  }
}

/** One line for a person. */
export function describe({
  number,
  words,
  disturbance,
  isElsewhere,
  isFull,
  outcome,
  code,
  began,
  ended,
  stdout,
  stderr,
}: Call): string {
  const where = isElsewhere ? 'in a container' : '';
  const circumstances = [where, disturbance === 'none' ? '' : disturbance, isFull ? 'disk full' : ''].filter(
    Boolean,
  );
  const said = `${stdout}${stderr}`.replace(/\s+/g, ' ').slice(0, 300);
  const command = words.map((word) => (word.includes('\n') ? '…' : word)).join(' ');
  return `#${number} ${new Date(began).toISOString().slice(11, 23)}+${ended - began}ms ${command} [${[...circumstances, outcome, code].join(', ')}] ${said}`;
}
