/** What the sandbox consists of, in bwrap(1)'s words. */
import {existsSync} from 'node:fs';
import {bound, holdingOnly, separated} from '../system/bubblewrap.ts';
import type {Capability} from './capabilities.ts';
import {DESCRIPTORS} from './chain.ts';
import type {Terminal} from './terminal.ts';
import type {Toolbox} from './toolbox.ts';
import type {Bind} from './volumes.ts';

export interface Enclosure {
  /** On the host, where the root is mounted. */
  root: string;
  readOnly: boolean;
  privileged: boolean;
  deviceNodes: boolean;
  network: 'host' | 'none';
  hostname: string | undefined;
  /** Bytes that /dev/shm may hold. */
  shm: number | undefined;
  binds: readonly Bind[];
  /** What leads to the command inside, and its place there. */
  tools: (Pick<Toolbox, 'directory' | 'files'> | {program: string}) & {target: string};
  capabilities: readonly Capability[];
  workdir: string;
  terminal: Terminal;
}

/**
 * As docker has them read-only. Most of what can be written there asks only for uid 0, not for a capability:
 * /proc/sys/kernel/core_pattern names a program that the kernel runs as root, outside. bwrap protects them only where
 * access(2) says that the directory itself can be written, which it denies for /proc/sys.
 */
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** As docker masks them: what they show is the host's, or its memory. */
const MASKED_FILES = [
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/timer_list',
];
const MASKED_DIRECTORIES = ['/proc/acpi', '/proc/scsi', '/sys/firmware'];

/**
 * The options. bwrap mounts everything nosuid, and nodev but for what is bound with `dev`; it sets
 * no_new_privs always, so that set-uid programs and file capabilities give nothing inside.
 * @param isHeld it is made in a process namespace that lasts (holder.ts), without a command
 */
export function bwrapOptions(enclosure: Enclosure, {isHeld = false}: {isHeld?: boolean} = {}): string[] {
  const {
    root,
    readOnly,
    privileged,
    deviceNodes,
    network,
    hostname,
    shm,
    binds,
    tools,
    capabilities,
    workdir,
    terminal,
  } = enclosure;
  return [
    ...separated({processes: !isHeld}),
    ...(network === 'none' ? ['--unshare-net'] : []),
    ...(hostname === undefined ? [] : ['--hostname', hostname]),
    ...bound(privileged || deviceNodes ? 'dev' : 'rw', root, '/'),
    ...['--proc', '/proc'],
    ...(privileged ? bound('dev', '/dev') : ['--dev', '/dev']),
    ...(isHeld && !privileged ? PLACE_FOR_TERMINALS : terminalWords(terminal, privileged)),
    ...(shm === undefined ? [] : ['--size', String(shm)]),
    ...['--perms', '1777', '--tmpfs', '/dev/shm'],
    ...bound(privileged ? 'dev' : 'ro', '/sys'),
    ...(privileged ? [] : masks()),
    ...toolWords(tools),
    ...binds.flatMap((bind) => [
      // Directories that bwrap makes by itself can be entered by root alone.
      ...bind.directories.flatMap((path) => ['--perms', '0755', '--dir', path]),
      ...bind.words,
    ]),
    ...(readOnly ? ['--remount-ro', '/'] : []),
    ...(isHeld ? [] : ['--json-status-fd', String(DESCRIPTORS.status)]),
    ...holdingOnly(capabilities),
    ...['--chdir', workdir],
  ];
}

/** Where there are no copies, the host's own files have their place in a directory that nobody can write to either. */
function toolWords(tools: Enclosure['tools']): string[] {
  if ('program' in tools) return bound('ro', tools.program, tools.target);
  const {directory, files, target} = tools;
  if (directory !== null) return bound('ro', directory, target);
  return [
    ...['--perms', '0755', '--tmpfs', target],
    ...files.flatMap(({path, name}) => bound('ro', path, `${target}/${name}`)),
    ...['--remount-ro', target],
  ];
}

/** Each command that has one mounts its own upon it (native/supervisor/entering.c). */
const PLACE_FOR_TERMINALS = bound('dev', '/dev/null', '/dev/console');

/** With the host's own /dev each terminal has its name there. */
function terminalWords({own, shown}: Terminal, privileged: boolean): string[] {
  if (own.length > 0) return bound('dev', '/dev/pts');
  return privileged || shown === undefined ? [] : bound('dev', shown, '/dev/console');
}

function masks(): string[] {
  return [
    ...READ_ONLY.filter(existsSync).flatMap((path) => bound('ro', path)),
    ...MASKED_FILES.filter(existsSync).flatMap((path) => bound('dev', '/dev/null', path)),
    ...MASKED_DIRECTORIES.filter(existsSync).flatMap((path) => ['--tmpfs', path, '--remount-ro', path]),
  ];
}
