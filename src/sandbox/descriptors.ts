/** What the kernel tells of an open file of ours (proc_pid_fdinfo(5)). */
import {constants, readFileSync} from 'node:fs';

export interface OpenFile {
  /** Where the next read or write goes, in bytes. */
  position: number;
  /** Whatever the position, it is written at the end. */
  appends: boolean;
}

export function openFile(fd: number): OpenFile {
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  const flags = parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? '0', 8);
  return {
    position: Number(/^pos:\s*(\d+)$/m.exec(info)?.[1] ?? 0),
    appends: (flags & constants.O_APPEND) !== 0,
  };
}
