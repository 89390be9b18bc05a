/**
 * Who owns something on disk. A pid alone is reused; a pid with its start time and the boot it belongs to is not
 * (proc_pid_stat(5), field 22). The pid namespace is part of it, so that a store shared by two containers never
 * takes the other's owner for dead, and the time namespace, in which the start is counted.
 *
 * A boot can tell that an owner is who it was, but not that he is gone: systemd-nspawn mounts a boot id of its own into
 * each container, so that one machine has many at once.
 */
import {readFileSync, readlinkSync} from 'node:fs';
import {errnoOf} from '../errors.ts';
import {entryOf, isOver, statOf} from './processes.ts';

export interface Owner {
  pid: number;
  /** Start of the process in clock ticks since boot. */
  started: string;
  /** /proc/sys/kernel/random/boot_id, as the owner saw it. */
  boot: string;
  /** The pid namespace that `pid` is counted in, as /proc/self/ns/pid names it. */
  namespace: string;
  /** The time namespace that `started` is counted in; none in older records, and where the kernel has none. */
  time?: string | undefined;
}

let own: Owner | undefined;

/** The identity of this process. */
export function self(): Owner {
  own ??= {
    pid: process.pid,
    started: statOf('self')?.started ?? '',
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    namespace: readlinkSync('/proc/self/ns/pid'),
    time: timeNamespace(),
  };
  return own;
}

export function isSelf(owner: Owner): boolean {
  return isSameOwner(owner, self());
}

export function isSameOwner(one: Owner, other: Owner): boolean {
  return keyOf(one) === keyOf(other);
}

/**
 * Whether the owner may still run, by a look at its number. One that cannot be seen from here (another pid namespace)
 * counts as alive: to leave something behind is better than to delete what is in use. `hasEnded` looks further.
 */
export function isAlive(owner: Owner): boolean {
  if (ended.has(keyOf(owner))) return false;
  if (!sharesNamespaces(owner)) return true;
  const entry = entryOf(owner.pid);
  const stat = entry === undefined ? undefined : statOf(entry);
  if (stat === undefined) return isHidden(owner.pid);
  return stat.started === owner.started && !isOver(stat);
}

/** Whether its number and its start mean here what they mean there. */
export function sharesNamespaces(owner: Owner): boolean {
  return owner.namespace === self().namespace && sharesTime(owner);
}

/** Whether it has seen the boot id that we see, so that number and start cannot be those of an earlier boot. */
export function sharesBoot({boot}: Owner): boolean {
  return boot === self().boot;
}

export function sharesTime({time}: Owner): boolean {
  return time === undefined || time === self().time;
}

/** Owners of other namespaces that this process knows to have ended. */
const ended = new Set<string>();

/** For who has seen the owner end: from here on it counts as dead in this process. */
export function rememberEnd(owner: Owner): void {
  ended.add(keyOf(owner));
}

function keyOf({pid, started, boot, namespace}: Owner): string {
  return [pid, started, boot, namespace].join(' ');
}

/** Whether there is such a process, though /proc does not show it (its mount option hidepid, proc(5)). */
function isHidden(pid: number): boolean {
  try {
    process.kill(pid, 0); // No signal: it only asks.
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    if (errnoOf(error) === 'EPERM') return true;
    throw error;
  }
}

/** Start time of a process in clock ticks since boot; undefined when there is no such process or only its zombie. */
export function startOf(pid: number): string | undefined {
  const entry = entryOf(pid);
  const stat = entry === undefined ? undefined : statOf(entry);
  return stat === undefined || isOver(stat) ? undefined : stat.started;
}

/** Undefined on a kernel without time namespaces (time_namespaces(7)). */
function timeNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/time');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
