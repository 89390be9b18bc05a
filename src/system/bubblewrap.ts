/** bwrap(1)'s words that whoever shuts something in needs, in one place. */

/**
 * It ends with whoever started it, has its own interprocess communication, and unless they are its caller's its own
 * processes and host name.
 */
export function separated({
  names = true,
  processes = true,
}: {names?: boolean; processes?: boolean} = {}): string[] {
  return [
    '--die-with-parent',
    ...(processes ? ['--unshare-pid'] : []),
    '--unshare-ipc',
    ...(names ? ['--unshare-uts'] : []),
  ];
}

/** Of all capabilities it holds these alone, by their names without `CAP_`. */
export function holdingOnly(capabilities: readonly string[]): string[] {
  return ['--cap-drop', 'ALL', ...capabilities.flatMap((name) => ['--cap-add', `CAP_${name}`])];
}

/** It has these variables and no others. */
export function withEnvironment(variables: Readonly<Record<string, string>>): string[] {
  return ['--clearenv', ...Object.entries(variables).flatMap(([name, value]) => ['--setenv', name, value])];
}

/** Read-only, writable, or writable and with device nodes that work; nothing is mounted so that set-uid bits count. */
export type Binding = 'ro' | 'rw' | 'dev';

/** It sees a file or directory of the host, in its place there or in another. */
export function bound(how: Binding, source: string, target = source): string[] {
  return [{ro: '--ro-bind', rw: '--bind', dev: '--dev-bind'}[how], source, target];
}
