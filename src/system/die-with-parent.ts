/**
 * Programs that write into the store, or look into it, for as long as we live: ours may be the last eyes that see what
 * they write, and whoever finds us gone takes it for a leftover.
 */

// Had our process died before setpriv asked for the signal, nobody would send it.
const WHILE_WE_LIVE = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"';

export interface Surroundings {
  /** The process (number in /proc) in whose mount namespace it runs. Default: this one. */
  mountNamespaceOf?: string | undefined;
  /** With a /proc of its own: bubblewrap looks its child up there, by the number that it has in the new namespace. */
  ownProc?: boolean;
  /** With no network, not even a loopback: bubblewrap would bring one up, which takes a right that nothing else does. */
  noNetwork?: boolean;
}

/**
 * The words to start a program with that dies when this process does, kill -9 included, and with it all that it has
 * started: in a process id namespace, whose first process ends the others. (bubblewrap, killed while it starts, would
 * leave its child behind, waiting for it for ever.) For root only.
 */
export function dyingWithUs(
  file: string,
  args: readonly string[],
  {mountNamespaceOf, ownProc = false, noNetwork = false}: Surroundings = {},
): [file: string, ...args: string[]] {
  return [
    'setpriv',
    ...['--pdeathsig', 'KILL', 'sh', '-c', WHILE_WE_LIVE, 'sh', String(process.pid)],
    ...(mountNamespaceOf === undefined ? [] : ['nsenter', `--mount=/proc/${mountNamespaceOf}/ns/mnt`, '--']),
    ...['unshare', '--pid', '--fork', '--kill-child'],
    ...(ownProc ? ['--mount-proc'] : []),
    ...(noNetwork ? ['--net'] : []),
    '--',
    ...[file, ...args],
  ];
}
