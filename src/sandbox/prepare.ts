/** From the description of a sandbox to the words that start it; everything that can be wrong is found here. */
import {readFileSync} from 'node:fs';
import {posix} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import {bwrapWords} from './bubblewrap.ts';
import {ALL_CAPABILITIES, capabilityMask, chosenCapabilities, type Capability} from './capabilities.ts';
import {outerCommand} from './chain.ts';
import {innerCommand, NEEDED_TO_SWITCH} from './confinement.ts';
import {environmentOf, isPlain} from './environment.ts';
import {lookUp, type View} from './in-root.ts';
import {seccompFilter} from './seccomp.ts';
import type {SandboxSpec} from './spec.ts';
import {toolboxPlace, toolCommand, type Toolbox} from './toolbox.ts';
import {resolveUser} from './users.ts';
import {bindsOf, hostNames, localNames, withBinds, type Bind} from './volumes.ts';

export interface Prepared {
  /** Directories of control groups to join are put in when they have been made. */
  command: (groups: readonly string[]) => string[];
  filter: Buffer | undefined;
}

/**
 * @param rootViews how the root looks from inside
 * @param stray descriptors that the chain inherits and the command must not have
 * @throws ChrootctlError USAGE for what cannot be meant, FAILED for what this root or host does not have
 */
export function prepare(
  spec: SandboxSpec,
  rootViews: readonly View[],
  box: Toolbox,
  stray: readonly number[],
): Prepared {
  checkWords(spec);
  const volumes = bindsOf(rootViews, spec.volumes, spec.privileged);
  const views = withBinds(rootViews, volumes);
  const account = resolveUser(views, spec.user);
  const env = environmentOf(spec.env, account);
  const capabilities = capabilitiesOf(spec);
  const place = toolboxPlace(spec.privileged);
  const filter = spec.privileged
    ? undefined
    : seccompFilter({userNamespaces: capabilities.includes('SYS_ADMIN')});
  const bwrap = [
    ...bwrapWords({
      root: 'plan' in spec.root ? spec.root.mountPoint : spec.root.directory,
      readOnly: spec.readOnly,
      privileged: spec.privileged,
      network: spec.network,
      hostname: spec.hostname,
      binds: [...namesFor(spec, views, box, volumes), ...volumes],
      toolbox: {directory: box.directory, target: place},
      capabilities: [...new Set([...capabilities, ...NEEDED_TO_SWITCH])],
      env: isPlain(env) ? env : {},
      workdir: workdirOf(views, spec.workdir),
      hasFilter: filter !== undefined,
      stray,
    }),
    ...innerCommand({
      account,
      capabilities: spec.privileged ? undefined : capabilities,
      env,
      command: spec.command.length > 0 ? spec.command : [shellOf(rootViews)],
      tool: (name) => toolCommand(box, place, name),
    }),
  ];
  const mount = 'plan' in spec.root ? spec.root : undefined;
  const ownNetwork = spec.network === 'none' && !spec.privileged;
  return {
    command: (groups) =>
      outerCommand({parent: process.pid, groups, detach: spec.detach ?? [], mount, ownNetwork, bwrap}),
    filter,
  };
}

function checkWords({command, workdir, hostname, timeout}: SandboxSpec): void {
  if (command[0] === '') throw new ChrootctlError('USAGE', 'no command to run');
  if (command.some((word) => word.includes('\0'))) {
    throw new ChrootctlError('USAGE', 'an argument of the command contains a NUL byte');
  }
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

/** What runs without a command: bash where there is one. */
function shellOf(views: readonly View[]): string {
  return lookUp(views, '/bin/bash').kind === 'file' ? '/bin/bash' : '/bin/sh';
}

/** Volumes at the same places have been asked for by name and win. */
function namesFor(
  {network}: SandboxSpec,
  views: readonly View[],
  box: Toolbox,
  volumes: readonly Bind[],
): Bind[] {
  const names = network === 'host' ? hostNames(views, box.hosts) : localNames(views, box.hosts);
  return names.filter((bind) => !volumes.some(({target}) => target === bind.target));
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
  const lacking = chosenCapabilities(
    add.filter((name) => !/^(cap_)?all$/i.test(name)),
    drop,
  ).filter((name) => !has(name));
  if (lacking.length > 0) {
    throw new ChrootctlError('NOT_PERMITTED', `chrootctl itself lacks the capability ${lacking.join(', ')}`);
  }
  return chosenCapabilities(add, drop).filter(has);
}

/** CapPrm of proc_pid_status(5), a mask in hexadecimal digits. */
function ownCapabilities(): bigint {
  const mask = /^CapPrm:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return BigInt(`0x${mask ?? '0'}`);
}
