/**
 * Ctrl-C and SIGTERM: long work is told to stop and cleans up after itself; a second one ends the program at once
 * (what it leaves then is collected like after a crash).
 */
import {constants} from 'node:os';
import {setImmediate} from 'node:timers/promises';
import {ChrootctlError} from '../errors.ts';

const controller = new AbortController();

/** Aborted once the user has asked to stop. For work that can be stopped; a commit that has begun is finished. */
export const interruption: AbortSignal = controller.signal;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** For the program's start. A sandbox takes the signals over while a command runs in it. */
export function watchForInterruption(): void {
  for (const signal of SIGNALS) process.on(signal, interrupt);
}

/** For its end: signals do what they do to any program. */
export function stopWatching(): void {
  for (const signal of SIGNALS) process.off(signal, interrupt);
}

function interrupt(signal: NodeJS.Signals): void {
  // The kernel tells of a hangup, and so does every shell on the way: that is nobody's impatience.
  if (interruption.aborted && signal !== 'SIGHUP') process.exit(128 + constants.signals[signal]);
  controller.abort(new Interrupted(signal, 'nothing has changed'));
}

/** The exit code that tells of the signal by which we were asked to stop; undefined as long as we were not. */
export function interruptedCode(): number | undefined {
  const reason: unknown = interruption.aborted ? interruption.reason : undefined;
  return reason instanceof Interrupted ? reason.exitCode : undefined;
}

export class Interrupted extends ChrootctlError {
  readonly #signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals, hint: string | undefined) {
    super('FAILED', `interrupted by ${signal}`, hint === undefined ? {} : {hint});
    this.#signal = signal;
  }

  /** The same, of work that left something to go on with. */
  withHint(hint: string | undefined): Interrupted {
    return new Interrupted(this.#signal, hint);
  }

  /** As a shell reports it: 128 and the signal's number. */
  override get exitCode(): number {
    return 128 + constants.signals[this.#signal];
  }
}

let unendable = 0;
let isTold = false;

/**
 * What ends work that begins now, if anything does: what begins when somebody has been told of an interruption is there to
 * clean up after it. One that came between two pieces of work, when nobody listened, ends the next.
 */
export function endable(): AbortSignal | undefined {
  return unendable > 0 || isTold ? undefined : interruption;
}

/** @throws the signal's reason, once it is aborted */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal === interruption && signal.aborted) isTold = true;
  signal?.throwIfAborted();
}

/** Runs what must come to its end once it has begun, whoever has asked to stop: an interruption ends nothing of it. */
export async function toTheEnd<T>(work: () => Promise<T>): Promise<T> {
  unendable++;
  try {
    return await work();
  } finally {
    unendable--;
  }
}

/** For work that leaves something to go on with; `hint` says how. @throws Interrupted */
export function throwIfInterrupted(hint: string): void {
  if (!interruption.aborted) return;
  isTold = true;
  throw interruption.reason instanceof Interrupted ? interruption.reason.withHint(hint) : interruption.reason;
}

/** How long work may go on without a look at what else there is to do. */
const WITHOUT_PAUSE_MS = 50;

/** Pauses in long work that waits for nothing, so that signals come through. */
export class Pauses {
  readonly #signal: AbortSignal | undefined;
  #last = Date.now();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** Whether it is time for one. */
  get isDue(): boolean {
    return Date.now() - this.#last >= WITHOUT_PAUSE_MS;
  }

  /** To be called often. @throws the signal's reason, once it is aborted */
  async now(): Promise<void> {
    if (!this.isDue) return;
    await setImmediate();
    throwIfAborted(this.#signal);
    this.#last = Date.now();
  }
}

/**
 * Waits for `work`; once `signal` is aborted, `stop` is called to end it, and its reason is thrown when it has ended.
 */
export async function stoppable<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  stop: () => void,
): Promise<T> {
  if (signal === undefined) return work;
  signal.addEventListener('abort', stop, {once: true});
  if (signal.aborted) stop();
  try {
    return await work;
  } finally {
    signal.removeEventListener('abort', stop);
    // Whatever came of work that was stopped, this is why.
    throwIfAborted(signal);
  }
}
