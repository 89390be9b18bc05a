/**
 * Who owns something on disk. A pid alone is reused; a pid with its start time and the boot it belongs to is not
 * (proc_pid_stat(5), field 22). The pid namespace is part of it, so that a store shared by two containers never
 * takes the other's owner for dead.
 */
import {readFileSync, readlinkSync} from 'node:fs';

export interface Owner {
  pid: number;
  /** Start of the process in clock ticks since boot. */
  started: string;
  /** /proc/sys/kernel/random/boot_id */
  boot: string;
  /** The pid namespace that `pid` is counted in, as /proc/self/ns/pid names it. */
  namespace: string;
}

let own: Owner | undefined;

/** The identity of this process. */
export function self(): Owner {
  own ??= {
    pid: process.pid,
    started: startOf(process.pid) ?? '',
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    namespace: readlinkSync('/proc/self/ns/pid'),
  };
  return own;
}

/**
 * Whether the owner still runs. One that cannot be seen from here (another pid namespace, same boot) counts as
 * alive: to leave something behind is better than to delete what is in use.
 */
export function isAlive(owner: Owner): boolean {
  const me = self();
  if (owner.boot !== me.boot) return false;
  if (owner.namespace !== me.namespace) return true;
  return startOf(owner.pid) === owner.started;
}

/** Start time of a process in clock ticks since boot; undefined when there is no such process or only its zombie. */
export function startOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // Gone (ENOENT), or gone between open and read (ESRCH).
  }
  // The command name may hold spaces and parentheses; fields are counted after the last ')'.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}
