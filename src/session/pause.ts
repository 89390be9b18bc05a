/** Stopping the processes of a session while its state is copied, or its root is prepared for another command. */
import {once} from 'node:events';
import {readdirSync} from 'node:fs';
import type {Writable} from 'node:stream';
import {setTimeout as sleep} from 'node:timers/promises';
import {ChrootctlError} from '../errors.ts';
import type {Exec} from '../store/execs.ts';
import {entries, isRunning, numbersOf, processAt, signal, statOf, type Process} from '../system/processes.ts';
import {start} from '../system/programs.ts';
import {sandboxesOf} from './running.ts';

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
 * Runs `work` while every process that the given commands run is stopped. For the holder of the session's lock. A
 * holder process sends the SIGCONT when its standard input ends, so they go on even if we are killed meanwhile. Children
 * go on before their parents: a shell that found one of its jobs stopped would take it for the user's doing.
 * @throws ChrootctlError BUSY for processes that cannot be stopped, or not be seen from here
 */
export async function withPaused<T>(execs: readonly Exec[], work: () => Promise<T>): Promise<T> {
  const sandboxes = sandboxesOf(execs);
  const stopped = new Map<string, Process>();
  const holders: Holder[] = [];
  try {
    // A process may fork until it is stopped: look again until nothing new is found.
    for (;;) {
      const found = processesIn(sandboxes).filter((process) => !stopped.has(wordOf(process)));
      if (found.length === 0) break;
      // One that somebody has stopped before stays so afterwards.
      const active = found.filter(({entry}) => statOf(entry)?.state !== 'T');
      holders.push(await holderOf(active.toReversed()));
      for (const process of active) signal(process, 'SIGSTOP');
      for (const process of found) {
        await untilStopped(process);
        stopped.set(wordOf(process), process);
      }
    }
    return await work();
  } finally {
    for (const holder of holders.toReversed()) {
      holder.stdin.end();
      await holder.ended;
    }
  }
}

interface Holder {
  stdin: Writable;
  ended: Promise<unknown>;
}

/** In a session of its own: Ctrl-C at the terminal must not take it away. */
async function holderOf(processes: readonly Process[]): Promise<Holder> {
  const holder = start('sh', ['-c', GO_ON], {stdio: ['pipe', 'ignore', 'ignore'], detached: true});
  await once(holder, 'spawn');
  const ended = once(holder, 'exit');
  const {stdin} = holder;
  // None is stopped before the holder knows of it.
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

/**
 * Descendants of the given processes that live in pid namespaces further in, parents first. Whoever was born in a
 * sandbox stays a descendant: its process 1 adopts those whose parents end.
 */
function processesIn(sandboxes: readonly Process[]): Process[] {
  if (sandboxes.length === 0) return [];
  const parents = new Map(entries().map((entry) => [entry, statOf(entry)?.parent ?? 0]));
  return sandboxes.filter(isRunning).flatMap((sandbox) => {
    const outside = numbersOf(sandbox.entry).length;
    return [...parents.keys()]
      .map((entry) => ({entry, generations: generationsBelow(sandbox.entry, entry, parents)}))
      .filter(({entry, generations}) => generations > 0 && numbersOf(entry).length > outside)
      .sort((a, b) => a.generations - b.generations)
      .flatMap(({entry}) => processAt(entry) ?? []);
  });
}

/** How many generations after `ancestor`; 0 for who does not descend from it. */
function generationsBelow(ancestor: number, entry: number, parents: ReadonlyMap<number, number>): number {
  let at = parents.get(entry);
  // Bounded: the parents were not all read at one moment.
  for (let generations = 1; at !== undefined && generations <= parents.size; generations++) {
    if (at === ancestor) return generations;
    at = parents.get(at);
  }
  return 0;
}

function threadsOf(entry: number): string[] {
  try {
    return readdirSync(`/proc/${entry}/task`);
  } catch {
    return []; // It ended.
  }
}
