/** Timing of whole processes, in rounds in which every case has its turn, so that a busy machine is unfair to all. */
import {spawnSync} from 'node:child_process';
import {setImmediate} from 'node:timers/promises';
import type {Case, Command} from './case.ts';
import {failure} from './processes.ts';
import type {Side} from './section.ts';

/** Milliseconds. */
export interface Sample {
  wall: number;
  /** User and system time of the process and all that it waited for, and so on down. */
  cpu: number;
}

export type Samples = ReadonlyMap<string, readonly Sample[]>;

export interface Measurements {
  /** Of the cases that did not fail. */
  samples: Samples;
  /** Why the others did. */
  failures: ReadonlyMap<string, string>;
}

/**
 * Round 0 is not counted: it fills caches. The case that begins changes from round to round. `settle` is called before
 * each case's turn.
 * @throws Error when a command fails that must not, and what `signal` was aborted with
 */
export async function measure(
  cases: readonly Case[],
  rounds: number,
  signal: AbortSignal,
  settle?: () => void,
): Promise<Measurements> {
  const samples = new Map<string, Sample[]>(cases.map(({name}) => [name, []]));
  const failures = new Map<string, string>();
  for (let round = 0; round <= rounds; round++) {
    const first = round % cases.length;
    for (const {name, command, prepare, cleanUp, mayFail} of [
      ...cases.slice(first),
      ...cases.slice(0, first),
    ]) {
      if (failures.has(name)) continue;
      // The rest is synchronous: this is when a signal is heard.
      await setImmediate();
      signal.throwIfAborted();
      try {
        settle?.();
        prepare?.(round);
        const sample = time(command(round));
        cleanUp?.(round);
        if (round > 0) samples.get(name)?.push(sample);
      } catch (error) {
        // Ctrl-C ends the commands too.
        await setImmediate();
        signal.throwIfAborted();
        if (mayFail !== true) throw error;
        failures.set(name, error instanceof Error ? error.message : String(error));
        samples.delete(name);
      }
    }
  }
  return {samples, failures};
}

/** What bash's `time` tells of processor time is getrusage(2)'s: Node gives no access to that of children. */
const TIMER = `
TIMEFORMAT='%3U %3S'
begin=$EPOCHREALTIME
{ time "$@" 2>&4; } 4>&2 2>&3
code=$?
echo "$begin $EPOCHREALTIME" >&3
exit $code`;

function time({words, env = {}}: Command): Sample {
  const {status, stderr, output, error} = spawnSync('bash', ['-c', TIMER, 'bench', ...words], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: {PATH: process.env['PATH'], HOME: '/root', LC_ALL: 'C', ...env},
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(failure(words.join(' '), status, stderr));
  const [user = NaN, system = NaN, begin = NaN, end = NaN] = (output[3] ?? '')
    .trim()
    .split(/\s+/)
    .map(Number);
  return {wall: (end - begin) * 1000, cpu: (user + system) * 1000};
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/**
 * The median over the rounds of what `compare` makes of the two sides' samples of the same round; undefined when a case
 * was not measured.
 */
export function pairwise(
  samples: Samples,
  [of, to]: readonly [Side, Side],
  compare: (of: Sample, to: Sample) => number,
): number | undefined {
  const [ours, others] = [sumOf(samples, of), sumOf(samples, to)];
  if (ours.length === 0 || others.length === 0) return undefined;
  return median(ours.map((sample, round) => compare(sample, others[round] ?? sample)));
}

function sumOf(samples: Samples, side: Side): readonly Sample[] {
  const all = namesOf(side).map((name) => samples.get(name) ?? []);
  const rounds = Math.min(...all.map(({length}) => length));
  return Array.from({length: rounds}, (_, round) =>
    all.reduce(
      (sum, {[round]: sample}) => ({
        wall: sum.wall + (sample?.wall ?? NaN),
        cpu: sum.cpu + (sample?.cpu ?? NaN),
      }),
      {wall: 0, cpu: 0},
    ),
  );
}

export function namesOf(side: Side): readonly string[] {
  return typeof side === 'string' ? [side] : side;
}
