/** From the description of a sandbox to what starts it; everything that can be wrong is found here. */
import {readFileSync} from 'node:fs';
import {posix} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import {remedyFor} from '../system/rights.ts';
import {is32Bit} from './architecture.ts';
import {bwrapOptions, type Enclosure} from './enclosure.ts';
import {
  ALL_CAPABILITIES,
  capabilityMask,
  chosenCapabilities,
  parseCapability,
  type Capability,
} from './capabilities.ts';
import {DESCRIPTORS} from './chain.ts';
import {innermost, NEEDED_TO_SWITCH, type Confinement} from './confinement.ts';
import {rootFlags, standIn} from './entrance.ts';
import {environmentOf} from './environment.ts';
import {lookUp, type View} from './in-root.ts';
import type {Joined} from './limits.ts';
import {insideInput} from './inside.ts';
import {nameFiles} from './names.ts';
import {outerInput, type HeldEntrance, type Outer} from './outer.ts';
import type {Place} from './places.ts';
import {resourceLimit} from './resources.ts';
import {seccompFilter} from './seccomp.ts';
import type {SandboxSpec} from './spec.ts';
import type {Streams} from './streams.ts';
import {terminalProgram} from './terminal-program.ts';
import {NO_TERMINAL, type Terminal} from './terminal.ts';
import {toolboxPlace, toolCommand, type Tool, type Toolbox} from './toolbox.ts';
import {resolveUser} from './users.ts';
import {bindsOf, withBinds} from './volumes.ts';

export interface Prepared {
  /** What is made in the root itself that is not the command's doing, parents before children. */
  places: readonly Place[];
  user: number;
  /**
   * What the chain reads: the outer link first, given the control groups to join, then the innermost. Made when it is
   * asked for: a chain that has been started takes longer to come to reading it.
   * @throws ChrootctlError FAILED for what this host does not have
   */
  outer: (joined: Joined, streams: Streams, terminal: Terminal, hasLifeline: boolean) => Buffer;
  innermost: () => Buffer;
  /** What the one reads that makes such a sandbox without a command, and holds it (holder.ts). */
  holding: (hasLifeline: boolean) => Buffer;
  /** In the place of `outer`, where the command comes into a sandbox that is held. */
  entering: (
    holder: HeldEntrance['holder'],
    joined: Joined,
    streams: Streams,
    terminal: Terminal,
    hasLifeline: boolean,
  ) => Buffer;
}

/**
 * @param rootViews how the root looks from inside
 * @param tools what leads to the command inside: a toolbox, or the one program that does it all (inside.ts)
 * @throws ChrootctlError USAGE for what cannot be meant, FAILED for what this root or host does not have
 */
export function prepare(spec: SandboxSpec, rootViews: readonly View[], tools: Toolbox | string): Prepared {
  checkWords(spec);
  const volumes = bindsOf(rootViews, spec);
  const views = withBinds(rootViews, volumes);
  const account = resolveUser(views, spec.user);
  const capabilities = capabilitiesOf(spec);
  const place = toolboxPlace(spec.privileged);
  const held = [...new Set([...capabilities, ...NEEDED_TO_SWITCH])];
  const workdir = workdirOf(views, spec.workdir);
  const names = nameFiles(spec, views);
  const root = 'plan' in spec.root ? spec.root.mountPoint : spec.root.directory;
  const command = spec.command.length > 0 ? spec.command : [shellOf(rootViews)];
  const enclosure: Omit<Enclosure, 'terminal'> = {
    root,
    readOnly: spec.readOnly,
    privileged: spec.privileged,
    deviceNodes: spec.deviceNodes ?? false,
    network: spec.network,
    hostname: spec.hostname,
    shm: spec.shm,
    binds: volumes,
    tools: {...(typeof tools === 'string' ? {program: tools} : tools), target: place},
    capabilities: spec.newPrivileges === true ? [] : held,
    workdir,
  };
  const env = environmentOf(spec.env, account);
  const confined = {account, capabilities: spec.privileged ? undefined : capabilities, env, command};
  const link = innermostLink(tools, place, confined);
  const is32BitRoot = spec.network === 'none' && is32Bit(rootViews);
  const outer: Omit<Outer, 'groups' | 'hasLifeline' | 'made' | 'pipes' | 'filter' | 'terminal' | 'options'> =
    {
      parent: process.pid,
      detach: spec.detach ?? [],
      mount: 'plan' in spec.root ? spec.root : undefined,
      ownNetwork: spec.network === 'none' && !spec.privileged,
      ownSys: !spec.privileged,
      root,
      directories: names.flatMap(({directories}) => directories),
      files: names,
      ulimits: spec.ulimits.map(resourceLimit),
      measured: spec.measured ?? false,
      ...(spec.newPrivileges === true
        ? {
            command: standIn(link.words),
            entrance: {
              capabilities: held,
              rootFlags: rootFlags({
                readOnly: spec.readOnly,
                hasDevices: spec.privileged || spec.deviceNodes === true,
              }),
              workdir,
              shell: link.words,
            },
          }
        : {command: link.words, entrance: undefined}),
    };
  const filter = (keepsToDevices: boolean) => {
    const ordinaryDevices = spec.deviceNodes === true && !keepsToDevices;
    const made = seccompFilter({capabilities, network: spec.network, is32BitRoot, ordinaryDevices});
    if (made === undefined && ordinaryDevices) throw noKeeper();
    return made;
  };
  return {
    places: [
      ...names.flatMap(({path, directories}): Place[] => [
        ...directories.map((directory): Place => ({path: directory, kind: 'directory'})),
        {path, kind: 'copy'},
      ]),
      ...volumes.flatMap(({places}) => places),
    ],
    user: account.uid,
    outer: ({groups, keepsToDevices}, {made, unnamed}, terminal, hasLifeline) =>
      outerInput(
        {
          ...outer,
          groups,
          hasLifeline,
          made,
          pipes: {owner: account.uid, numbers: account.uid === 0 ? [] : unnamed},
          filter: spec.privileged ? undefined : filter(keepsToDevices),
          terminal: terminal.own.length === 0 ? '' : terminalProgram(account.uid, terminal.own),
          options: bwrapOptions({...enclosure, terminal}),
        },
        DESCRIPTORS.first,
      ),
    innermost: link.input,
    holding: (hasLifeline) =>
      outerInput(
        {
          ...outer,
          ...NOBODYS,
          hasLifeline,
          groups: [],
          options: bwrapOptions({...enclosure, terminal: NO_TERMINAL}, {isHeld: true}),
          command: [place, 'stand-by'],
          entrance: undefined,
        },
        DESCRIPTORS.first,
      ),
    entering: (holder, {groups, keepsToDevices}, {made, unnamed}, {path}, hasLifeline) =>
      outerInput(
        {
          ...outer,
          ...NOBODYS,
          detach: [],
          mount: undefined,
          directories: [],
          files: [],
          groups,
          hasLifeline,
          made,
          pipes: {owner: account.uid, numbers: account.uid === 0 ? [] : unnamed},
          filter: spec.privileged ? undefined : filter(keepsToDevices),
          options: [],
          command: [],
          entrance: {
            holder,
            workdir,
            // With the host's own /dev each terminal has its name there.
            terminal: spec.privileged ? '' : (path ?? ''),
            isPrivileged: spec.privileged,
            newPrivileges: spec.newPrivileges ?? false,
            held,
          },
        },
        DESCRIPTORS.first,
      ),
  };
}

const NOBODYS = {
  made: [],
  pipes: {owner: 0, numbers: []},
  filter: undefined,
  terminal: '',
} as const;

/** What bwrap starts inside, and what that reads. */
function innermostLink(
  tools: Toolbox | string,
  place: string,
  confined: Omit<Confinement, 'tool'>,
): {words: string[]; input: () => Buffer} {
  if (typeof tools === 'string') return {words: [place], input: () => insideInput(confined)};
  const tool = (name: Tool) => toolCommand(tools, place, name);
  return {words: tool('sh'), input: () => Buffer.from(innermost({...confined, tool}))};
}

function checkWords({command, env, workdir, hostname, timeout}: SandboxSpec): void {
  if (command[0] === '') throw new ChrootctlError('USAGE', 'no command to run');
  if (command.some((word) => word.includes('\0'))) {
    throw new ChrootctlError('USAGE', 'an argument of the command contains a NUL byte');
  }
  const words = [...command, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
  for (const word of words) if (Buffer.byteLength(word) >= LONGEST_WORD) throw tooLong();
  if (!workdir.startsWith('/') || workdir.includes('\0')) {
    throw new ChrootctlError('USAGE', `the working directory must be an absolute path: ${workdir}`);
  }
  if (hostname !== undefined && !/^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/.test(hostname)) {
    throw new ChrootctlError('USAGE', `not a host name: ${hostname}`, {
      hint: 'at most 64 letters, digits, dots and hyphens (hostname(7))',
    });
  }
  if (timeout !== undefined && !(timeout > 0)) {
    throw new ChrootctlError('USAGE', `a time limit is a number of seconds greater than 0: ${timeout}`);
  }
}

/** MAX_ARG_STRLEN: of one word, or one variable, with its end (execve(2)). */
const LONGEST_WORD = 128 * 1024;

function tooLong(): ChrootctlError {
  return new ChrootctlError('USAGE', 'a word of the command or its environment is too long for the kernel', {
    hint: 'one may have 128 KiB, all together 2 MiB (execve(2)); pass data in a file or through stdin',
  });
}

function noKeeper(): ChrootctlError {
  return new ChrootctlError('FAILED', 'this host cannot keep device nodes to ordinary devices', {
    hint: 'there is no devices controller of control groups version 1, and no system call filter for this processor',
  });
}

/** What runs without a command: bash where there is one. */
function shellOf(views: readonly View[]): string {
  return lookUp(views, '/bin/bash').kind === 'file' ? '/bin/bash' : '/bin/sh';
}

function workdirOf(views: readonly View[], workdir: string): string {
  const found = lookUp(views, workdir);
  if (found.kind === 'directory' || found.kind === 'unknown') return found.path;
  throw new ChrootctlError(
    'FAILED',
    found.kind === 'missing'
      ? `no directory ${workdir} in the root`
      : `${workdir} in the root is not a directory`,
    {hint: `create it first (mkdir -p ${posix.normalize(workdir)}), or mount a volume there`},
  );
}

/**
 * What the command is to have. Nobody can give what he lacks: of "all" only what this process has itself is meant.
 * @throws ChrootctlError NOT_PERMITTED for a capability asked for by name that this process lacks
 */
function capabilitiesOf({capabilities: {add, drop}, privileged}: SandboxSpec): Capability[] {
  if (add.length === 0 && drop.length === 0 && !privileged) return chosenCapabilities([], []);
  const own = ownCapabilities();
  const has = (name: Capability) => (own & capabilityMask([name])) !== 0n;
  if (privileged) return ALL_CAPABILITIES.filter(has);
  const asked = add.map(parseCapability);
  const lacking = chosenCapabilities(add, drop).filter((name) => asked.includes(name) && !has(name));
  if (lacking.length > 0) {
    throw new ChrootctlError('NOT_PERMITTED', `chrootctl itself lacks the capability ${lacking.join(', ')}`, {
      hint: remedyFor(lacking),
    });
  }
  return chosenCapabilities(add, drop).filter(has);
}

/** CapPrm of proc_pid_status(5), a mask in hexadecimal digits. */
function ownCapabilities(): bigint {
  const mask = /^CapPrm:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return BigInt(`0x${mask ?? '0'}`);
}
