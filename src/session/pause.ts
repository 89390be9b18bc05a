/** Stopping the processes of a session while its state is copied, or its root is prepared for another command. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {ChrootctlError} from '../errors.ts';

/** States of a thread that does nothing any more: stopped, traced, ended. */
const AT_REST = new Set(['T', 't', 'Z', 'X']);

const PATIENCE_MS = 10_000;

/** Gets process ids as two words: in the order in which they are stopped, and in that in which they go on. */
const HOLD = 'kill -STOP $1; echo; read -r _; kill -CONT $2';

/**
 * Runs `work` while every process that the given sandboxes run is stopped. A holder process sends the SIGCONT when
 * its standard input ends, so they go on even if we are killed meanwhile. Children go on before their parents: a shell
 * that found one of its jobs stopped would take it for the user's doing.
 */
export async function withPaused<T>(owners: readonly number[], work: () => Promise<T>): Promise<T> {
  const stopped = new Set<number>();
  const holders: ReturnType<typeof spawn>[] = [];
  try {
    // A process may fork until it is stopped: look again until nothing new is found.
    for (let found = sandboxed(owners, stopped); found.length > 0; found = sandboxed(owners, stopped)) {
      const [downwards, upwards] = [found.join(' '), found.toReversed().join(' ')];
      const holder = spawn('sh', ['-c', HOLD, 'sh', downwards, upwards], {stdio: ['pipe', 'pipe', 'ignore']});
      holders.push(holder);
      await once(holder.stdout, 'data');
      for (const pid of found) {
        await untilStopped(pid);
        stopped.add(pid);
      }
    }
    return await work();
  } finally {
    for (const holder of holders.toReversed()) {
      const ended = once(holder, 'exit');
      holder.stdin?.end();
      await ended;
    }
  }
}

/**
 * Waits until all threads of a process have come to rest: a signal meets one that is in the midst of a system call when
 * that has ended.
 * @throws ChrootctlError BUSY for one that does not
 */
async function untilStopped(pid: number): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!threadsOf(pid).every((thread) => AT_REST.has(statOf(`${pid}/task/${thread}`)[0] ?? 'X'))) {
    if (Date.now() > deadline) {
      throw new ChrootctlError('BUSY', `process ${pid} of the session cannot be stopped`, {
        hint: 'it waits in the kernel, for a disk or for a server: try again later, or kill it',
      });
    }
    await sleep(1);
  }
}

/** Descendants of the owners that live in a pid namespace of their own, parents first, those in `known` left out. */
function sandboxed(owners: readonly number[], known: ReadonlySet<number>): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) if (/^\d+$/.test(name)) parents.set(Number(name), parentOf(name));
  const home = readlinkSync('/proc/self/ns/pid');
  return [...parents.keys()]
    .map((pid) => ({pid, depth: depthOf(pid, owners, parents)}))
    .filter(({pid, depth}) => depth !== undefined && !known.has(pid) && namespaceOf(pid) !== home)
    .sort((a, b) => (a.depth ?? 0) - (b.depth ?? 0))
    .map(({pid}) => pid);
}

/** How many generations after one of the owners; undefined for who does not descend from them. */
function depthOf(
  pid: number,
  owners: readonly number[],
  parents: ReadonlyMap<number, number>,
): number | undefined {
  let depth = 1;
  for (let at = parents.get(pid) ?? 0; at > 0; at = parents.get(at) ?? 0, depth++)
    if (owners.includes(at)) return depth;
  return undefined;
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // It ended.
  }
}

function parentOf(pid: string): number {
  return Number(statOf(pid)[1] ?? 0);
}

/** The fields after the program's name, which may have anything in it: the first is the state (proc(5)). */
function statOf(process: string): string[] {
  try {
    const stat = readFileSync(`/proc/${process}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return []; // It ended.
  }
}

function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return readlinkSync('/proc/self/ns/pid'); // It ended: nothing to stop.
  }
}
