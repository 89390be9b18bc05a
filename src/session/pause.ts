/** Stopping the processes of a session while its state is copied. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readdirSync, readFileSync, readlinkSync} from 'node:fs';

/**
 * Runs `work` while every process that the given sandboxes run is stopped. A holder process sends the SIGCONT when
 * its standard input ends, so they go on even if we are killed meanwhile.
 */
export async function withPaused<T>(owners: readonly number[], work: () => Promise<T>): Promise<T> {
  const stopped = new Set<number>();
  const holders: ReturnType<typeof spawn>[] = [];
  try {
    // A process may fork until it is stopped: look again until nothing new is found.
    for (let found = sandboxed(owners, stopped); found.length > 0; found = sandboxed(owners, stopped)) {
      const pids = found.map(String);
      const holder = spawn('sh', ['-c', 'kill -STOP "$@"; echo; read -r _; kill -CONT "$@"', 'sh', ...pids], {
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      holders.push(holder);
      await once(holder.stdout, 'data');
      for (const pid of found) stopped.add(pid);
    }
    return await work();
  } finally {
    await Promise.all(
      holders.map(async (holder) => {
        const ended = once(holder, 'exit');
        holder.stdin?.end();
        await ended;
      }),
    );
  }
}

/** Descendants of the owners that live in a pid namespace of their own, those in `known` left out. */
function sandboxed(owners: readonly number[], known: ReadonlySet<number>): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) if (/^\d+$/.test(name)) parents.set(Number(name), parentOf(name));
  const home = readlinkSync('/proc/self/ns/pid');
  return [...parents.keys()].filter(
    (pid) => !known.has(pid) && descends(pid, owners, parents) && namespaceOf(pid) !== home,
  );
}

function descends(pid: number, owners: readonly number[], parents: ReadonlyMap<number, number>): boolean {
  for (let at = parents.get(pid) ?? 0; at > 0; at = parents.get(at) ?? 0)
    if (owners.includes(at)) return true;
  return false;
}

function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0; // It ended.
  }
}

function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return readlinkSync('/proc/self/ns/pid'); // It ended: nothing to stop.
  }
}
