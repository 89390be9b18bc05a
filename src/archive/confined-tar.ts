/**
 * tar(1) shut in: a mount namespace in which the host's programs are read-only and the one writable thing is the
 * target directory. Whatever an archive says, and whatever tar(1) makes of it, nothing else can be written. It has
 * no network, no /proc, no /etc, and only the capabilities that the files need.
 */
import {lstatSync, readlinkSync} from 'node:fs';
import {resolve} from 'node:path';
import {bound, holdingOnly, separated, withEnvironment, type Binding} from '../system/bubblewrap.ts';
import {Child} from '../system/child.ts';
import {dyingWithUs} from '../system/die-with-parent.ts';
import {requireRights} from '../system/refusal.ts';

/** Where a dynamically linked program and its libraries are; merged into /usr or not. */
const PROGRAMS = ['usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];

/**
 * Without CAP_SYS_ADMIN: attributes in `trusted.` cannot be set (xattr(7)), so overlayfs's own (opaque, redirect)
 * cannot be forged, and there is no way out of the namespace.
 */
const TO_WRITE = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'MKNOD', 'SETFCAP'];
const TO_READ = ['DAC_READ_SEARCH'];

/** ACLs name users and groups; without /etc/passwd tar(1) writes and reads them as numbers, like the owners. */
const ATTRIBUTES = [
  '--numeric-owner',
  '--acls',
  '--xattrs',
  '--xattrs-include=user.*',
  '--xattrs-include=security.capability',
  '--xattrs-exclude=user.overlay.*',
];

const EXTRACT = [
  '--extract',
  '--file=-',
  // Blocks to read at once: 64 KiB instead of 10.
  '--blocking-factor=128',
  '--preserve-permissions',
  '--same-owner',
  ...ATTRIBUTES,
  // Entries of a directory need not follow each other; its time is set when all have come.
  '--delay-directory-restore',
  '--warning=no-timestamp',
  '--warning=no-unknown-keyword',
];

const CREATE = [
  '--create',
  '--file=-',
  '--format=posix',
  '--sort=name',
  // Times of access and change would make two archives of one tree differ, as would the default's process id.
  '--pax-option=delete=atime,delete=ctime,exthdr.name=%d/PaxHeaders/%f',
  ...ATTRIBUTES,
  '--sparse',
  '--one-file-system',
  '--warning=no-xdev',
];

/** What a stranger has packed for somebody who is no root file system: nobody else's, nothing set-uid, no devices. */
const COLLECT = [
  '--extract',
  '--file=-',
  '--no-same-owner',
  // That takes the set-uid and set-gid bits away too.
  '--no-same-permissions',
  '--delay-directory-restore',
  '--warning=no-timestamp',
  '--warning=no-unknown-keyword',
];

/** Starts a tar(1) that extracts what comes out of a root into a directory of the host. */
export function startCollecting(directory: string, stdin: 'pipe' | number): Child {
  return start(directory, 'rw', ['DAC_OVERRIDE', 'FOWNER'], ['tar', ...COLLECT], [stdin, 'ignore']);
}

/** Starts a tar(1) that extracts its standard input (a pipe, or an open file) into `directory`. */
export function startExtracting(directory: string, stdin: 'pipe' | number): Child {
  return start(directory, 'rw', TO_WRITE, ['tar', ...EXTRACT], [stdin, 'ignore']);
}

/**
 * Starts a tar(1) that packs `directory` onto its standard output (a pipe, or an open file), names in order,
 * without what is mounted below it. `compressor` is a command line, `leaveOut` patterns of names.
 */
export function startPacking(
  directory: string,
  stdout: 'pipe' | number,
  {
    compressor,
    leaveOut = [],
  }: {compressor?: string | undefined; leaveOut?: readonly string[] | undefined} = {},
): Child {
  const excluded =
    leaveOut.length === 0 ? [] : ['--anchored', ...leaveOut.map((each) => `--exclude=${each}`)];
  const filter = compressor === undefined ? [] : [`--use-compress-program=${compressor}`];
  const command = ['tar', ...CREATE, ...excluded, ...filter, '.'];
  return start(directory, 'ro', TO_READ, command, ['ignore', stdout]);
}

/** A tree that is mounted in another process's namespace only (system/view.ts) cannot be bound into one of ours. */
const IN_NAMESPACE_OF = /^\/proc\/(\d+)\/root(\/.*)$/s;

function start(
  directory: string,
  bind: Binding,
  capabilities: readonly string[],
  command: readonly string[],
  stdio: ConstructorParameters<typeof Child>[2],
): Child {
  requireRights('tar cannot be shut in', ['SETPCAP']);
  const [, pid, path] = IN_NAMESPACE_OF.exec(directory) ?? [];
  const words = enclosed(path ?? resolve(directory), bind, capabilities, command);
  const [file, ...args] = dyingWithUs('bwrap', words, {
    mountNamespaceOf: pid,
    ownProc: true,
    noNetwork: true,
  });
  return new Child(file, args, stdio);
}

function enclosed(
  directory: string,
  bind: Binding,
  capabilities: readonly string[],
  command: readonly string[],
): string[] {
  return [
    ...separated(),
    ...PROGRAMS.flatMap(shownInside),
    ...bound(bind, directory, '/target'),
    ...['--chdir', '/target'],
    ...withEnvironment({PATH: '/usr/bin:/bin', LC_ALL: 'C'}),
    ...holdingOnly(capabilities),
    '--',
    ...command,
  ];
}

function shownInside(name: string): string[] {
  const path = `/${name}`;
  const stat = lstatSync(path, {throwIfNoEntry: false});
  if (stat === undefined) return [];
  return stat.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : bound('ro', path);
}
