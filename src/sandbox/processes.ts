/** Which process is whose child, and who has the terminal (proc_pid_stat(5), proc_pid_task(5)). */
import {readdirSync, readFileSync} from 'node:fs';
import {readIfExists} from '../system/files.ts';

/** The children of a process, oldest first; none when it has ended. */
export function childrenOf(pid: number): number[] {
  const listed = readListed(`/proc/${pid}/task/${pid}/children`);
  if (listed !== undefined) return listed.trim().split(' ').filter(Boolean).map(Number);
  // A kernel without CONFIG_PROC_CHILDREN.
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && statOf(name)?.parent === pid)
    .map(Number)
    .sort((a, b) => a - b);
}

function readListed(path: string): string | undefined {
  try {
    return readIfExists(path);
  } catch {
    return undefined; // The process ended between open and read (ESRCH).
  }
}

/**
 * Whether a key such as Ctrl-C reaches us from a terminal: then it reaches the command too, which is in the same
 * foreground process group.
 */
export function hasTerminal(): boolean {
  const own = statOf('self');
  return own !== undefined && own.terminal !== 0 && own.foreground === own.group;
}

function statOf(
  pid: string,
): {parent: number; group: number; terminal: number; foreground: number} | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // Ended meanwhile.
  }
  // The command name may hold spaces and parentheses; fields are counted after the last ')'.
  const [, parent, group, , terminal, foreground] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  if (parent === undefined || group === undefined || terminal === undefined || foreground === undefined)
    return undefined;
  return {parent, group, terminal, foreground};
}
