/** What is mounted where, as /proc/PID/mountinfo tells it (proc_pid_mountinfo(5)). */
import {readFileSync} from 'node:fs';

export interface Mount {
  id: number;
  /** `MAJOR:MINOR` of the file system. */
  device: string;
  /** The directory of the mounted file system that forms the root of this mount. */
  root: string;
  mountPoint: string;
  type: string;
  source: string;
  /** Options of the mount and of the file system, in that order. */
  options: string[];
  /** An unmount here reaches the copies in other namespaces (mount_namespaces(7), shared propagation). */
  shared: boolean;
}

/** The mounts that a process sees; ours by default. */
export function mountsOf(pid: number | 'self' = 'self'): Mount[] {
  return parseMountinfo(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'));
}

export function parseMountinfo(text: string): Mount[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(' ');
      // Optional fields end with a lone hyphen.
      const end = fields.indexOf('-', 6);
      return {
        id: Number(fields[0]),
        device: fields[2] ?? '',
        root: unescapeField(fields[3] ?? ''),
        mountPoint: unescapeField(fields[4] ?? ''),
        type: fields[end + 1] ?? '',
        source: unescapeField(fields[end + 2] ?? ''),
        options: [...(fields[5] ?? '').split(','), ...(fields[end + 3] ?? '').split(',')],
        shared: fields.slice(6, end).some((field) => field.startsWith('shared:')),
      };
    });
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescapeField(field: string): string {
  return field.replace(/(?:\\[0-7]{3})+/g, (octets) =>
    Buffer.from(
      octets
        .slice(1)
        .split('\\')
        .map((octal) => parseInt(octal, 8)),
    ).toString('utf8'),
  );
}
