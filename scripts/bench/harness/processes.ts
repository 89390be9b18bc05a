/** Processes that are no case: helpers that are called now, and daemons of peers. */
import {spawn, spawnSync} from 'node:child_process';
import {closeSync, openSync, readFileSync} from 'node:fs';
import type {Command, Ground} from './section.ts';

/** Milliseconds; longer than anything here should need. */
export const PATIENCE = 30_000;

/** Runs it now, untimed. Gives what it printed. @throws Error with the last line of what it said */
export function call({words: [file = '', ...args], env}: Command): string {
  const {status, stdout, stderr, error} = spawnSync(file, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {...process.env, ...env},
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

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Starts a daemon, which does not hear the terminal's Ctrl-C and does not outlive us, and waits until `check` succeeds.
 * @throws Error with the last line of its log
 */
export function startDaemon({atEnd}: Ground, words: readonly string[], log: string, check: Command): void {
  const output = openSync(log, 'a');
  const {pid} = spawn('setpriv', ['--pdeathsig', 'TERM', ...words], {
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  if (pid === undefined) throw new Error(`${words[0] ?? ''} cannot be started`);
  atEnd(() => {
    const end = Date.now() + PATIENCE;
    if (isAlive(pid)) process.kill(pid, 'SIGTERM');
    while (isAlive(pid)) {
      if (Date.now() > end) process.kill(pid, 'SIGKILL');
      pause(50);
    }
  });
  const end = Date.now() + PATIENCE;
  const [file = '', ...args] = check.words;
  while (spawnSync(file, args).status !== 0) {
    if (!isAlive(pid) || Date.now() > end)
      throw new Error(failure(words[0] ?? '', null, readFileSync(log, 'utf8')));
    pause(100);
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
