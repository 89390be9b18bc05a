/** Timing of whole processes, in rounds in which every case has its turn, so that a busy machine is unfair to all. */
import {spawnSync} from 'node:child_process';
import {setImmediate} from 'node:timers/promises';
import {interruption} from '../../../src/system/interruption.ts';
import {failure, messageOf} from './processes.ts';
import type {Command, Comparison, Section} from './section.ts';

/** Milliseconds of each round, by the name of a case. */
export type Samples = ReadonlyMap<string, readonly number[]>;

export interface Measured {
  section: Section;
  rounds: number;
  /** Of the cases that did not fail. */
  samples: Samples;
  /** Why the others did, and peers that were never ready. */
  failures: ReadonlyMap<string, string>;
}

/**
 * Round 0 is not counted: it fills caches. The case that begins changes from round to round. `settle` is called before
 * each case's turn.
 * @throws Error when a command fails that must not, and Interrupted
 */
export async function measure(section: Section, rounds: number, settle: () => void): Promise<Measured> {
  const {cases} = section;
  const samples = new Map<string, number[]>(cases.map(({name}) => [name, []]));
  const failures = new Map(section.failures);
  for (let round = 0; round <= rounds; round++) {
    const first = round % cases.length;
    for (const one of [...cases.slice(first), ...cases.slice(0, first)]) {
      if (failures.has(one.name)) continue;
      // The rest is synchronous: this is when a signal is heard.
      await setImmediate();
      interruption.throwIfAborted();
      try {
        settle();
        one.prepare?.(round);
        const wall = time(one.command(round));
        if (round > 0) samples.get(one.name)?.push(wall);
      } catch (error) {
        // Ctrl-C ends the commands too.
        await setImmediate();
        interruption.throwIfAborted();
        if (one.mayFail !== true) throw error;
        failures.set(one.name, messageOf(error));
        samples.delete(one.name);
      }
    }
  }
  return {section, rounds, samples, failures};
}

/** Bash looks at the clock: a Node as large as ours takes milliseconds to start a program. */
const TIMER = `
begin=$EPOCHREALTIME
"$@" 3>&-
code=$?
echo "$begin $EPOCHREALTIME" >&3
exit $code`;

function time({words, env = {}}: Command): number {
  const {status, stderr, output, error} = spawnSync('bash', ['-c', TIMER, 'bench', ...words], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    env: {PATH: process.env['PATH'], HOME: '/root', LC_ALL: 'C', ...env},
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(failure(words.join(' '), status, stderr));
  const [begin = NaN, end = NaN] = (output[3] ?? '').split(' ').map(Number);
  return (end - begin) * 1000;
}

/** The lower one of two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] ?? NaN;
}

/** The median over the rounds of how both sides compare in the same round; NaN when a case was not measured. */
export function compare(samples: Samples, {of, to}: Comparison, by: 'ratio' | 'difference'): number {
  const sum = (names: readonly string[]): readonly number[] =>
    names
      .map((name) => samples.get(name) ?? [])
      .reduce((total, one) => total.map((wall, round) => wall + (one[round] ?? NaN)));
  const others = sum(to);
  const found = sum(of).map((wall, round) => {
    const other = others[round] ?? NaN;
    return by === 'ratio' ? wall / other : wall - other;
  });
  return median(found);
}
