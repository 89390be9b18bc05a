/** Stopping the processes of a session while its state is copied, or its root is prepared for another command. */
import {once} from 'node:events';
import {readdirSync} from 'node:fs';
import type {Writable} from 'node:stream';
import {setTimeout as sleep} from 'node:timers/promises';
import {ChrootctlError} from '../errors.ts';
import {signal, statOf, type Process} from '../system/processes.ts';
import {start} from '../system/programs.ts';
import {processesIn} from './running.ts';

/** States of a thread that does nothing any more: stopped, traced, ended. */
const AT_REST = new Set(['T', 't', 'Z', 'X']);

const PATIENCE_MS = 10_000;

/**
 * Reads processes, one a line: ENTRY:STARTED:PID (system/processes.ts), and lets them go on when there are no more to come.
 * The last line of a stat has what follows the program's name, in which there may be line ends too; the 20th of it is the
 * start.
 */
const GO_ON = `
set -f
for process in $(cat); do
  rest=\${process#*:}
  stat=
  while read -r line; do stat=$line; done <"/proc/\${process%%:*}/stat"
  set -- \${stat##*) }
  [ "\${20}" = "\${rest%:*}" ] && kill -CONT "\${rest#*:}"
done`;

/**
 * Runs `work` while all that descends from the given processes in their sandboxes is stopped. For the holder of the session's lock. A
 * process of its own sends the SIGCONT when its standard input ends, so they go on even if we are killed meanwhile. Children
 * go on before their parents: a shell that found one of its jobs stopped would take it for the user's doing.
 * @throws ChrootctlError BUSY for processes that cannot be stopped
 */
export async function withPaused<T>(sandboxes: readonly Process[], work: () => Promise<T>): Promise<T> {
  const stopped = new Map<string, Process>();
  const wakers: Waker[] = [];
  try {
    // A process may fork until it is stopped: look again until nothing new is found.
    for (;;) {
      const found = processesIn(sandboxes).filter((process) => !stopped.has(wordOf(process)));
      if (found.length === 0) break;
      // One that somebody has stopped before stays so afterwards.
      const active = found.filter(({entry}) => statOf(entry)?.state !== 'T');
      wakers.push(await wakerOf(active.toReversed()));
      for (const process of active) signal(process, 'SIGSTOP');
      for (const process of found) {
        await untilStopped(process);
        stopped.set(wordOf(process), process);
      }
    }
    return await work();
  } finally {
    for (const waker of wakers.toReversed()) {
      waker.stdin.end();
      await waker.ended;
    }
  }
}

interface Waker {
  stdin: Writable;
  ended: Promise<unknown>;
}

/** In a session of its own: Ctrl-C at the terminal must not take it away. */
async function wakerOf(processes: readonly Process[]): Promise<Waker> {
  const waker = start('sh', ['-c', GO_ON], {stdio: ['pipe', 'ignore', 'ignore'], detached: true});
  await once(waker, 'spawn');
  const ended = once(waker, 'exit');
  const {stdin} = waker;
  // None is stopped before it knows of it.
  const lines = processes.map((process) => `${wordOf(process)}\n`).join('');
  await new Promise<void>((resolve, reject) => {
    stdin.write(lines, (error) => (error instanceof Error ? reject(error) : resolve()));
  });
  return {stdin, ended};
}

function wordOf({entry, started, pid}: Process): string {
  return `${entry}:${started}:${pid}`;
}

/**
 * Waits until all threads of a process have come to rest: a signal meets one that is in the midst of a system call when
 * that has ended.
 * @throws ChrootctlError BUSY for one that does not
 */
async function untilStopped(process: Process): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!isAtRest(process)) {
    if (Date.now() > deadline) {
      throw new ChrootctlError('BUSY', `process ${process.pid} of the session cannot be stopped`, {
        hint: 'it waits in the kernel, for a disk or for a server: try again later, or kill it',
      });
    }
    await sleep(1);
  }
}

function isAtRest({entry, started}: Process): boolean {
  return (
    statOf(entry)?.started !== started ||
    threadsOf(entry).every((thread) => AT_REST.has(statOf(`${entry}/task/${thread}`)?.state ?? 'X'))
  );
}

function threadsOf(entry: number): string[] {
  try {
    return readdirSync(`/proc/${entry}/task`);
  } catch {
    return []; // It ended.
  }
}
