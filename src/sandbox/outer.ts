/**
 * The outer link of the chain (chain.ts draws it): what it is told. A small static program is it (supervisor.ts), or perl
 * (outer-program.ts). It is told what to do on its standard input, so that ps(1) shows none of it; what follows there is
 * left for the innermost shell, which inherits it.
 */
import {ALL_CAPABILITIES, type Capability} from './capabilities.ts';
import type {ResourceLimit} from './resources.ts';
import type {MadePipe} from './streams.ts';
import {entranceParts, type Entrance} from './entrance.ts';
import {systemPath} from '../system/programs.ts';
import {mountArguments, type MountArguments, type MountPlan} from '../system/mount-plan.ts';

/** What the program is told. Paths are the host's. */
export interface Outer {
  /** Our process. */
  parent: number;
  /** Whether the first descriptor that is nobody's is a file to lock for life; see LaunchOptions. */
  hasLifeline: boolean;
  /** Directories of control groups to join. */
  groups: readonly string[];
  /** Mount points to let go of; see SandboxSpec. */
  detach: readonly string[];
  mount: {plan: MountPlan; mountPoint: string} | undefined;
  /** A network namespace from the start, so that the /sys that is mounted shows no other. */
  ownNetwork: boolean;
  /** A sysfs of its own, without what the host has mounted below its /sys. */
  ownSys: boolean;
  /** Where the root is. */
  root: string;
  /** Directories to make in the root, parents before children; one that is there already is fine. */
  directories: readonly string[];
  /** Files to put into the root, whatever is in their place. */
  files: readonly {path: string; content: string}[];
  ulimits: readonly ResourceLimit[];
  /** Say on the status descriptor at the end what all of it took; see `usageOf`. */
  measured: boolean;
  /** Pipes to make; see `PIPED`. */
  made: readonly MadePipe[];
  /** What gives the command a terminal of its own (terminal-program.ts); empty when it needs none. */
  terminal: string;
  /** Numbers of pipes that the user of the command is to be able to open again. */
  pipes: {owner: number; numbers: readonly number[]};
  /** The system call filter, as bwrap takes it; undefined for none. */
  filter: Buffer | undefined;
  /** bwrap's options, and the words of the command that it starts. */
  options: readonly string[];
  command: readonly string[];
  /** Where the command comes in by itself, and the one of bwrap is a stand-in. */
  entrance: Entrance | HeldEntrance | undefined;
}

/** Where the command comes into a sandbox that is held: native/supervisor/entering.c. */
export interface HeldEntrance {
  /** The process that holds it, and its start (system/identity.ts). */
  holder: {pid: number; started: string};
  workdir: string;
  /** The caller's, to be shown inside as /dev/console; empty for none. */
  terminal: string;
  isPrivileged: boolean;
  newPrivileges: boolean;
  /** What is left of capabilities until the command is its user. */
  held: readonly Capability[];
}

interface Mounted extends MountArguments {
  source: string;
  target: string;
  type: string;
}

/** Bytes of the length before a part. */
export const LENGTH = 4;

const CLONE_NEWNS = 0x00020000;
const CLONE_NEWPID = 0x20000000;
const CLONE_NEWNET = 0x40000000;
const SYSFS = {flags: 15, data: ''}; // Read-only, nosuid, nodev, noexec.

/** What the program reads, up to where the innermost shell goes on. `first`: the first descriptor that is nobody's. */
export function outerInput(outer: Outer, first: number): Buffer {
  return listed([outerParts(outer, first)]);
}

function outerParts(outer: Outer, first: number): Buffer {
  const {
    parent,
    hasLifeline,
    groups,
    detach,
    mount,
    ownNetwork,
    ownSys,
    root,
    directories,
    files,
    ulimits,
    measured,
    made,
    pipes,
  } = outer;
  const spaces = CLONE_NEWNS | CLONE_NEWPID | (ownNetwork ? CLONE_NEWNET : 0);
  const plan = mount?.plan;
  const mounts = [
    ...(plan === undefined
      ? []
      : [
          ...scratchOf(plan, mount?.mountPoint ?? ''),
          ...(plan.below === undefined ? [] : mountsOf(plan.below.plan, plan.below.mountPoint)),
          ...mountsOf(plan, mount?.mountPoint ?? ''),
        ]),
    ...(ownSys ? [{...SYSFS, source: 'sysfs', target: '/sys', type: 'sysfs'}] : []),
  ];
  return listed([
    listed([
      parent,
      spaces,
      first,
      plan?.workingDirectory ?? '/',
      plan?.contended === true ? 1 : 0,
      root,
      measured ? 1 : 0,
      hasLifeline ? 1 : 0,
      systemPath(),
    ]),
    listed(
      made.map(
        ({number, end}) =>
          `${number}${end === 'reading' ? '<' : end === 'writing' ? '>' : `=${end.sharedWith}`}`,
      ),
    ),
    outer.terminal,
    listed(groups),
    listed(detach),
    listed(mounts.flatMap(({source, target, type, flags, data}) => [source, target, type, flags, data])),
    listed(directories),
    listed(files.flatMap(({path, content}) => [path, content])),
    listed(ulimits.flatMap(({resource, soft, hard}) => [resource, soft, hard])),
    listed([pipes.owner, ...pipes.numbers]),
    outer.filter ?? '',
    outer.options.map((option) => `${option}\0`).join(''),
    listed(outer.command),
    outer.entrance === undefined
      ? ''
      : listed(
          ('holder' in outer.entrance ? heldParts(outer.entrance) : entranceParts(outer.entrance)).map(
            listed,
          ),
        ),
  ]);
}

function heldParts({
  holder,
  workdir,
  terminal,
  isPrivileged,
  newPrivileges,
  held,
}: HeldEntrance): (string | number)[][] {
  return [
    [holder.pid, holder.started, workdir, terminal, isPrivileged ? 1 : 0, newPrivileges ? 1 : 0],
    held.map((name) => ALL_CAPABILITIES.indexOf(name)),
  ];
}

function mountsOf(plan: MountPlan, target: string): Mounted[] {
  return mountArguments(plan).map((one) => ({...one, source: plan.source, type: plan.type, target}));
}

/** A file system in memory, and directories in it: what is of the type `directory` is made, not mounted. */
function scratchOf({scratch = []}: MountPlan, target: string): Mounted[] {
  if (scratch.length === 0) return [];
  return [
    {source: 'tmpfs', target, type: 'tmpfs', flags: 0, data: 'mode=0700'},
    ...scratch.map((path) => ({source: '', target: path, type: 'directory', flags: 0, data: ''})),
  ];
}

/** Each with its length in bytes before it, as perl's unpack '(V/a)*' reads it. */
export function listed(parts: readonly (string | number | Buffer)[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.isBuffer(part) ? part : Buffer.from(String(part));
      return [lengthOf(bytes), bytes];
    }),
  );
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH);
  length.writeUInt32LE(bytes.length);
  return length;
}
