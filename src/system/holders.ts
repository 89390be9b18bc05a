/** Who keeps a directory busy: processes that work in it, have it as their root, or hold a file in it open. */
import {readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {entries, ownEntry} from './processes.ts';

export interface Holder {
  pid: number;
  /** Short name, as in /proc/PID/comm. */
  command: string;
}

/** The processes, ours excluded, that hold something at or below `directory`. Processes that end meanwhile are left out. */
export function holdersOf(directory: string): Holder[] {
  const own = ownEntry();
  return entries()
    .filter((pid) => pid !== own)
    .filter((pid) => linksOf(pid).some((link) => link === directory || link.startsWith(`${directory}/`)))
    .map((pid) => ({pid, command: commOf(pid)}));
}

export function describeHolders(holders: readonly Holder[]): string {
  return holders.map(({pid, command}) => `${command} (pid ${pid})`).join(', ');
}

function linksOf(pid: number): string[] {
  const fds = ignoringGone(() => readdirSync(`/proc/${pid}/fd`), []).map((fd) => `fd/${fd}`);
  return ['cwd', 'root', 'exe', ...fds].map((link) =>
    ignoringGone(() => readlinkSync(`/proc/${pid}/${link}`), ''),
  );
}

function commOf(pid: number): string {
  return ignoringGone(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), '?');
}

/** A process may end at any moment, and a kernel thread has no such links: neither holds anything. */
function ignoringGone<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
