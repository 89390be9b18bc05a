/** From what a version says and what a user asks to what the sandbox is told. */
import {isatty} from 'node:tty';
import type {SandboxRoot, SandboxSpec} from '../sandbox/spec.ts';
import type {RunConfig, RunOptions} from '../store/records.ts';
import {mergeOptions} from './merge.ts';
import {profileOptions} from './profiles.ts';

export interface Wanted {
  id: string;
  root: SandboxRoot;
  command: readonly string[];
  config: RunConfig;
  options: RunOptions;
  /** Roots of other sessions, mounted on the host. */
  detach: readonly string[];
  /** Files that the root has of its own already: see SandboxSpec. */
  placed?: readonly string[];
  where: Where;
  /** Tell what the command took. */
  measured?: boolean | undefined;
}

/** In which clone a command is. */
export interface Where {
  image: string;
  version: string | null;
  session: string;
}

/** The profile gives way to the version's config, and that to the user's options. @throws ChrootctlError USAGE */
export function wantedOptions(config: RunConfig, options: RunOptions): RunOptions {
  return mergeOptions(mergeOptions(profileOptions(options.profile), configOptions(config)), options);
}

export function sandboxSpec({
  id,
  root,
  command,
  config,
  options,
  detach,
  placed = [],
  where,
  measured = false,
}: Wanted): SandboxSpec {
  const wanted = wantedOptions(config, options);
  return {
    id,
    root,
    command: command.length > 0 ? command : (config.command ?? []),
    env: {...terminal(), ...signs(where), ...wanted.env},
    workdir: wanted.workdir ?? '/',
    ...(wanted.user === undefined ? {} : {user: wanted.user}),
    ...(wanted.hostname === undefined ? {} : {hostname: wanted.hostname}),
    network: wanted.network ?? 'host',
    readOnly: wanted.readOnly ?? false,
    volumes: wanted.volumes ?? [],
    devices: wanted.devices ?? [],
    tmpfs: wanted.tmpfs ?? [],
    ...(wanted.shm === undefined ? {} : {shm: wanted.shm}),
    ulimits: wanted.ulimits ?? [],
    measured,
    capabilities: {add: wanted.capAdd ?? [], drop: wanted.capDrop ?? []},
    privileged: wanted.privileged ?? false,
    newPrivileges: wanted.newPrivileges ?? false,
    deviceNodes: wanted.deviceNodes ?? false,
    detach,
    placed,
    limits: {
      ...(wanted.memory === undefined ? {} : {memory: wanted.memory}),
      ...(wanted.cpus === undefined ? {} : {cpus: wanted.cpus}),
      ...(wanted.pids === undefined ? {} : {pids: wanted.pids}),
    },
    ...(wanted.timeout === undefined ? {} : {timeout: wanted.timeout}),
  };
}

/** What the options say of the volume that they are for. */
export function limitOf({storage}: RunOptions): {limit?: number} {
  return storage === undefined ? {} : {limit: storage};
}

function configOptions(config: RunConfig): RunOptions {
  return {env: config.env, user: config.user, workdir: config.workdir, volumes: config.mounts};
}

/** By these a command knows where it is; Debian's shells put the last into their prompt. */
function signs({image, version, session}: Where): Record<string, string> {
  return {
    CHROOTCTL_IMAGE: image,
    ...(version === null ? {} : {CHROOTCTL_VERSION: version}),
    CHROOTCTL_SESSION: session,
    debian_chroot: image,
  };
}

/** A command at a terminal needs to know which one; nothing else of the caller's environment goes in. */
function terminal(): Record<string, string> {
  const term = process.env['TERM'];
  return isatty(0) && term !== undefined ? {TERM: term} : {};
}
