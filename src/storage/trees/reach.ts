/**
 * Paths that are longer than a system call takes (path_resolution(7)). A command can make such, step by step; they are
 * reached by way of a directory that is open, through /proc.
 */
import {closeSync, constants, openSync} from 'node:fs';
import {ChrootctlError} from '../../errors.ts';
import {directoryOf} from '../../system/processes.ts';

/** Bytes that leave room for the longest name, and more, in what a call takes. */
export const LONG = 3500;

/** Beyond these a tree is refused: its paths alone would fill the memory. */
const MOST_LEVELS = 4000;
const LONGEST = 1 << 18;

/** @throws ChrootctlError FAILED for what lies too deep in a tree to be looked at */
export function refuseTooDeep(path: string, levels: number): void {
  if (levels <= MOST_LEVELS && path.length <= LONGEST) return;
  throw new ChrootctlError(
    'FAILED',
    `${path.slice(0, 100)}… is nested too deeply: more than ${MOST_LEVELS} directories, or a path of ${LONGEST} bytes`,
    {hint: 'find / -depth shows it inside; rm -rf takes it away'},
  );
}

/** Directories on the way, by their paths, those that were used last at the end. */
const opened = new Map<string, number>();
const MOST_OPEN = 128;

/** The same place by a path that a call takes now; bytes as latin1. */
export function shortened(path: string): string {
  let base = '';
  let at = 0;
  while (path.length - at >= LONG) {
    const cut = path.lastIndexOf('/', at + LONG - 1);
    base = `${throughDescriptor(descriptorOf(path.slice(0, cut), base + path.slice(at, cut)))}/`;
    at = cut + 1;
  }
  return base + path.slice(at);
}

/** For other programs, too. */
export function throughDescriptor(fd: number): string {
  return `${directoryOf(process.pid)}/fd/${fd}`;
}

export function openDirectory(path: string): number {
  return openSync(Buffer.from(path, 'latin1'), constants.O_RDONLY | constants.O_DIRECTORY);
}

function descriptorOf(path: string, reached: string): number {
  const known = opened.get(path);
  const fd = known ?? openDirectory(reached);
  opened.delete(path);
  opened.set(path, fd);
  for (const [oldest, other] of opened) {
    if (opened.size <= MOST_OPEN) break;
    opened.delete(oldest);
    closeSync(other);
  }
  return fd;
}

/** At the end of what has looked at a tree: what is open keeps it, and what lies there later may be something else. */
export function forgetReached(): void {
  for (const fd of opened.values()) closeSync(fd);
  opened.clear();
}
