/**
 * Open files that we inherited and would hand on. A directory among them is a way out of any root (chroot(2)), so
 * nothing but the three standard streams may reach the command.
 */
import {readdirSync} from 'node:fs';
import {readIfExists} from '../system/files.ts';

const O_CLOEXEC = 0o2000000;

let inherited: number[] | undefined;

/** Descriptors above 2 that survive an exec. What Node opens never does, so that they are the same all along. */
export function inheritedDescriptors(): readonly number[] {
  inherited ??= readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => fd > 2 && isInherited(fd));
  return inherited;
}

/** proc_pid_fdinfo(5): `flags:` is octal. The descriptor of the directory listing itself is gone by now. */
function isInherited(fd: number): boolean {
  const info = readIfExists(`/proc/self/fdinfo/${fd}`);
  const flags = info === undefined ? undefined : /^flags:\s*([0-7]+)$/m.exec(info)?.[1];
  return flags !== undefined && (parseInt(flags, 8) & O_CLOEXEC) === 0;
}
