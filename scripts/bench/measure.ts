/** Timing of whole processes, in rounds in which every case has its turn, so that a busy machine is unfair to all. */
import {spawnSync} from 'node:child_process';
import {setImmediate} from 'node:timers/promises';

export interface Command {
  words: readonly string[];
  env?: Record<string, string>;
}

export interface Case {
  name: string;
  command: (round: number) => Command;
  /** Not timed, before each round of this case. */
  prepare?: (round: number) => void;
  /**
   * False for what does its work in a bubblewrap that is not shut in itself: that ends without waiting for its process
   * 1, whose processor time is nobody's then.
   */
  hasCpu?: boolean;
}

/** Milliseconds. */
export interface Sample {
  wall: number;
  /** User and system time of the process and all that it waited for, and so on down. */
  cpu: number;
}

export type Samples = ReadonlyMap<string, readonly Sample[]>;

/**
 * Round 0 is not counted: it fills caches. The case that begins changes from round to round.
 * @throws Error when a command fails, and what `signal` was aborted with
 */
export async function measure(cases: readonly Case[], rounds: number, signal: AbortSignal): Promise<Samples> {
  const samples = new Map<string, Sample[]>(cases.map(({name}) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    const first = round % cases.length;
    for (const {name, command, prepare} of [...cases.slice(first), ...cases.slice(0, first)]) {
      // The rest is synchronous: this is when a signal is heard.
      await setImmediate();
      signal.throwIfAborted();
      prepare?.(round);
      const sample = time(command(round));
      if (round > 0) samples.get(name)?.push(sample);
    }
  }
  return samples;
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
  if (status !== 0) throw new Error(`${words.join(' ')} ended with ${status ?? 'a signal'}: ${stderr}`);
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

/** The median over the rounds of what `compare` makes of the two cases' samples of the same round. */
export function pairwise(
  samples: Samples,
  [of, to]: readonly [string, string],
  compare: (of: Sample, to: Sample) => number,
): number {
  const others = samples.get(to) ?? [];
  return median((samples.get(of) ?? []).map((sample, round) => compare(sample, others[round] ?? sample)));
}
