/**
 * Processes, as /proc shows them (proc(5)). A number alone names none: it is given again when its process has ended, and
 * it counts in one pid namespace only. Number and start time name one for as long as the machine is up.
 *
 * /proc may have been mounted in a pid namespace further out than ours (unshare --pid without --mount-proc). Its numbers,
 * called entries here, are others then than those that kill(2) takes from us.
 */
import {constants, readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {ChrootctlError, errnoOf} from '../errors.ts';

export interface Process {
  /** Its name in /proc. */
  entry: number;
  /** Its number in our pid namespace. */
  pid: number;
  /** Clock ticks since boot. */
  started: string;
}

export interface Stat {
  /** One letter: R, S, D, T, Z, … */
  state: string;
  /** Entries, as all numbers here. */
  parent: number;
  group: number;
  foreground: number;
  terminal: number;
  started: string;
}

/** Of a process, or of a thread (`PID/task/TID`); undefined when it is gone, or not ours to look at. */
export function statOf(entry: number | string): Stat | undefined {
  const stat = readIfThere(() => readFileSync(`/proc/${entry}/stat`, 'utf8'));
  if (stat === undefined) return undefined;
  // The program's name may hold spaces and parentheses; fields are counted after the last ')' (proc_pid_stat(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state = '', parent, group, , terminal, foreground] = fields;
  return {
    state,
    parent: Number(parent),
    group: Number(group),
    terminal: Number(terminal),
    foreground: Number(foreground),
    started: fields[19] ?? '',
  };
}

/** Whether it has ended, and only its parent has not heard of it yet. */
export function isOver({state}: Stat): boolean {
  return state === 'Z' || state === 'X';
}

export function isRunning({entry, started}: Process): boolean {
  const stat = statOf(entry);
  return stat?.started === started && !isOver(stat);
}

/** All processes that /proc shows us: those of its pid namespace, and of all further in. */
export function entries(): number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

/** A process's pid namespace, as an owner names it; undefined when the process is gone, or not ours to look at. */
export function namespaceOf(entry: number | 'self'): string | undefined {
  return readIfThere(() => readlinkSync(`/proc/${entry}/ns/pid`));
}

/** The boot id that a process sees; undefined when the process is gone, or sees none, or it is not ours to look at. */
export function bootOf(entry: number): string | undefined {
  const path = `/proc/${entry}/root/proc/sys/kernel/random/boot_id`;
  // In a root that is not ours: it may be anything there, also what one waits for.
  const flag = constants.O_RDONLY | constants.O_NONBLOCK;
  return readIfThere(() => readFileSync(path, {encoding: 'utf8', flag}))?.trim();
}

/** The numbers of a process, from that in /proc's own pid namespace to that in the one it lives in (pid_namespaces(7)). */
export function numbersOf(entry: number | 'self'): number[] {
  const status = readIfThere(() => readFileSync(`/proc/${entry}/status`, 'utf8'));
  return (/^NSpid:\s*(.*)$/m.exec(status ?? '')?.[1] ?? '').split(/\s+/).filter(Boolean).map(Number);
}

let depth: number | undefined;

/** How many pid namespaces further in than /proc's we are. */
export function ownDepth(): number {
  depth ??= Math.max(numbersOf('self').length - 1, 0);
  return depth;
}

export function ownEntry(): number {
  return Number(readlinkSync('/proc/self'));
}

/** The entry of the process that has a number in our own pid namespace. */
export function entryOf(pid: number): number | undefined {
  if (ownDepth() === 0) return pid;
  const own = namespaceOf('self');
  return entries().find((entry) => numbersOf(entry).at(-1) === pid && namespaceOf(entry) === own);
}

/** The directory in /proc of the process that has a number in our own pid namespace; there is none for who has ended. */
export function directoryOf(pid: number): string {
  return `/proc/${entryOf(pid) ?? 0}`;
}

/** A process of our own pid namespace or one further in, such as a descendant of ours; undefined when it has ended. */
export function processAt(entry: number): Process | undefined {
  const stat = statOf(entry);
  const pid = ownDepth() === 0 ? entry : numbersOf(entry)[ownDepth()];
  return stat === undefined || pid === undefined ? undefined : {entry, pid, started: stat.started};
}

/**
 * Sends a signal to a process, never to another one that has its number now; false when it has ended. (Between the look
 * and the signal there are microseconds, and the kernel goes through all numbers before it gives one again.)
 * @throws ChrootctlError NOT_PERMITTED
 */
export function signal({entry, pid, started}: Process, name: NodeJS.Signals): boolean {
  if (statOf(entry)?.started !== started) return false;
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ESRCH') return false;
    if (errno !== 'EPERM') throw error;
    throw new ChrootctlError('NOT_PERMITTED', `no signal can be sent to process ${pid} from here`, {
      hint: 'it belongs to another user, or to a container with users of its own',
      cause: error,
    });
  }
}

/** A process may end at any moment (ENOENT, ESRCH), or be somebody else's (EACCES, EPERM). */
function readIfThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
