/** Processes that are no case: helpers that are called now, and daemons of peers. */
import {spawn, spawnSync} from 'node:child_process';
import {closeSync, openSync, readFileSync, readdirSync} from 'node:fs';
import type {Command} from './case.ts';

/** Longer than any of them needs. */
const PATIENCE = 30_000;

/** Runs it now, untimed. Gives what it printed. @throws Error with the last line of what it said */
export function call({words: [file = '', ...args], env}: Command): string {
  const {status, stdout, stderr, error} = spawnSync(file, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {...process.env, ...env},
    maxBuffer: 2 ** 26,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(failure(file, status, stderr));
  return stdout.trimEnd();
}

/** One line that says why `program` ended so. */
export function failure(program: string, status: number | null, stderr: string): string {
  const last = stderr.trim().split('\n').at(-1) ?? '';
  return `${program} ended with ${status ?? 'a signal'}${last === '' ? '' : `: ${last}`}`;
}

/**
 * Starts a daemon, which does not hear the terminal's Ctrl-C and does not outlive us. Gives the number of its process
 * when `isReady`.
 * @throws Error with the last line of its log
 */
export function startDaemon(
  words: readonly string[],
  log: string,
  isReady: () => boolean,
): {stop: () => void} {
  const output = openSync(log, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'TERM', ...words], {
    detached: true,
    stdio: ['ignore', output, output],
    env: {...process.env, LC_ALL: 'C'},
  });
  closeSync(output);
  const {pid} = child;
  if (pid === undefined) throw new Error(`${words[0] ?? ''} cannot be started`);
  const stop = (): void => endProcess(pid);
  const end = Date.now() + PATIENCE;
  while (!isReady()) {
    if (!isAlive(pid) || Date.now() > end) {
      stop();
      throw new Error(failure(words[0] ?? '', null, readFileSync(log, 'utf8')));
    }
    pause(100);
  }
  return {stop};
}

function endProcess(pid: number): void {
  const end = Date.now() + PATIENCE;
  if (isAlive(pid)) process.kill(pid, 'SIGTERM');
  while (isAlive(pid)) {
    if (Date.now() > end) process.kill(pid, 'SIGKILL');
    pause(50);
  }
}

/** A zombie, which waits for our event loop, is not. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Blocks: whoever cleans up at the end of the process cannot wait otherwise. */
export function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

export interface Footprint {
  processes: number;
  /** Bytes; what several share is divided among them (PSS). */
  memory: number;
}

/** Of the processes that have `mark` on their command line, and of all below them. */
export function footprintOf(mark: string): Footprint {
  const all = new Map(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .map((pid) => [pid, {parent: parentOf(pid), isMarked: read(`/proc/${pid}/cmdline`).includes(mark)}]),
  );
  const belongs = (pid: string): boolean => {
    const found = all.get(pid);
    return found !== undefined && (found.isMarked || belongs(found.parent));
  };
  const found = [...all.keys()].filter(belongs);
  const memory = found.map((pid) =>
    Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0),
  );
  return {processes: found.length, memory: memory.reduce((sum, kilobytes) => sum + kilobytes * 1024, 0)};
}

function parentOf(pid: string): string {
  return /^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? '0';
}

/** Empty when the process has gone. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
