/**
 * Limits of a sandbox: a control group `chrootctl/ID` in each hierarchy that a limit needs, joined before anything
 * of the command runs, removed when all of it has ended. The groups hang below the root of the mounted hierarchy,
 * as docker's do: below our own group version 2 would not let them be.
 */
import {existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError, errnoOf, messageOf} from '../errors.ts';
import {self} from '../system/identity.ts';
import {hasEnded} from '../system/owners.ts';
import {mountsOf, type Mount} from '../system/mounts.ts';
import {
  findController,
  hierarchies,
  settingsFor,
  type Controller,
  type ControllerName,
  type LimitName,
  type Setting,
} from './cgroups.ts';
import {ENTERING_PROCESSES} from './entrance.ts';
import {deviceRules, isRestricted} from './devices.ts';
import type {Device, SandboxSpec} from './spec.ts';
import {processesBetween} from './supervisor.ts';

const PARENT = 'chrootctl';

/** Below this the sandbox itself does not get up; docker has the same. */
const SMALLEST_MEMORY = 6 * 1024 * 1024;

/** The kernel takes no quota below a millisecond in the period of 100. */
const SMALLEST_CPUS = 0.01;

type Limited = Pick<
  SandboxSpec,
  'limits' | 'devices' | 'deviceNodes' | 'newPrivileges' | 'privileged' | 'measured'
>;

export interface Joined {
  /** The groups' directories, to be joined by writing to their `cgroup.procs`; none without limits. */
  groups: string[];
  /** One of them keeps to the devices that the command may use, whatever nodes of others there are. */
  keepsToDevices: boolean;
}

/**
 * Makes the groups and sets their limits.
 * @param beside processes of the chain that are in the group beside those of the command
 * @throws ChrootctlError USAGE for a limit that cannot be, NOT_PERMITTED or FAILED when the host cannot enforce one;
 *   nothing is left behind then
 */
export function createLimits(
  id: string,
  spec: Limited,
  beside = processesBetween({isSupervised: false}),
): Joined {
  const {limits, devices, privileged, measured} = spec;
  const wanted = amountsOf(spec, beside);
  const needsDevices = !privileged && (devices.length > 0 || spec.deviceNodes === true);
  if (wanted.length === 0 && !needsDevices && measured !== true) return {groups: [], keepsToDevices: false};
  const mounts = mountsOf();
  const groups = new Set<string>();
  try {
    for (const [name, amount] of wanted) {
      const controller = findController(mounts, name, controllersOf);
      if (controller === undefined) throw missing(name);
      groups.add(makeGroup(controller, id, settingsFor({name, version: controller.version}, amount)));
    }
    const deviceGroup = needsDevices ? makeDeviceGroup(mounts, id, devices) : undefined;
    if (deviceGroup !== undefined) groups.add(deviceGroup);
    if (measured === true && limits.memory === undefined) {
      const group = makeMeasuringGroup(mounts, id);
      if (group !== undefined) groups.add(group);
    }
    return {groups: [...groups], keepsToDevices: deviceGroup !== undefined};
  } catch (error) {
    removeLimits(id);
    throw error;
  }
}

/**
 * The name of a sandbox's groups. Groups are the host's, not a store's, so the name itself says whose they are: our
 * pid, start, pid namespace and time namespace (system/identity.ts; none of them outlives a boot).
 */
export function groupIdOf(id: string): string {
  const {pid, started, namespace, time} = self();
  return [id, pid, started, numberOf(namespace), ...(time === undefined ? [] : [numberOf(time)])].join('.');
}

function numberOf(namespace: string): string {
  return namespace.replace(/\D/g, '');
}

/** Groups whose makers are gone. */
export function leftoverLimits(): {id: string; path: string}[] {
  return hierarchies(mountsOf()).flatMap((mountPoint) => {
    const parent = join(mountPoint, PARENT);
    return directoriesIn(parent)
      .filter(isOwnerless)
      .map((id) => ({id, path: join(parent, id)}));
  });
}

/** A group that was not named by us is not for us to judge. */
function isOwnerless(id: string): boolean {
  const [, pid, started, namespace, time] = /\.(\d+)\.(\d+)\.(\d+)(?:\.(\d+))?$/.exec(id) ?? [];
  if (pid === undefined || started === undefined || namespace === undefined) return false;
  return hasEnded({
    pid: Number(pid),
    started,
    boot: self().boot,
    namespace: `pid:[${namespace}]`,
    time: time === undefined ? undefined : `time:[${time}]`,
  });
}

/**
 * Removes the groups of a sandbox; none there is fine.
 * @throws ChrootctlError BUSY while processes are in one
 */
export function removeLimits(id: string): void {
  checkId(id);
  for (const mountPoint of hierarchies(mountsOf())) {
    const path = join(mountPoint, PARENT, id);
    try {
      rmdirSync(path);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT') continue;
      if (errno !== 'EBUSY') throw error;
      throw new ChrootctlError('BUSY', `processes still run in the control group ${path}`, {cause: error});
    }
  }
}

function amountsOf(
  {limits: {memory, cpus, pids}, newPrivileges}: Limited,
  beside: number,
): [LimitName, number][] {
  const wanted: [LimitName, number][] = [];
  if (memory !== undefined) {
    if (!Number.isSafeInteger(memory) || memory < SMALLEST_MEMORY) throw unusable('memory', '6 MiB');
    wanted.push(['memory', memory]);
  }
  if (cpus !== undefined) {
    if (!Number.isFinite(cpus) || cpus < SMALLEST_CPUS) throw unusable('processor', `${SMALLEST_CPUS}`);
    wanted.push(['cpu', cpus]);
  }
  if (pids !== undefined) {
    if (!Number.isSafeInteger(pids) || pids < 1) throw unusable('process', '1');
    wanted.push(['pids', pids + beside + (newPrivileges === true ? ENTERING_PROCESSES : 0)]);
  }
  return wanted;
}

function unusable(what: string, smallest: string): ChrootctlError {
  return new ChrootctlError('USAGE', `the smallest ${what} limit is ${smallest}`);
}

function missing(name: ControllerName): ChrootctlError {
  return new ChrootctlError('FAILED', `this host has no ${name} controller to enforce the limit with`, {
    hint: 'no control group hierarchy with it is mounted; run without this limit, or mount one (cgroups(7))',
  });
}

/**
 * Undefined where no controller keeps to it, and none is needed: a mount of a device gives no other, and what nodes can be
 * made the system call filter looks after then.
 */
function makeDeviceGroup(
  mounts: readonly Mount[],
  id: string,
  devices: readonly Device[],
): string | undefined {
  const controller = findController(mounts, 'devices', controllersOf);
  const restricted = devices.find(isRestricted);
  if (controller?.version !== 1) {
    if (restricted === undefined) return undefined;
    throw new ChrootctlError(
      'FAILED',
      `this host cannot allow only '${restricted.access}' of ${restricted.source}`,
      {
        hint: 'there is no devices controller of control groups version 1; give it as a whole, or not at all',
      },
    );
  }
  const rules = deviceRules(devices).map((value) => ({file: 'devices.allow', value}));
  try {
    return makeGroup(controller, id, [{file: 'devices.deny', value: 'a'}, ...rules]);
  } catch (error) {
    if (restricted !== undefined) throw error;
    return undefined;
  }
}

/** A group that only counts. Where none can be made, there is nothing to tell. */
function makeMeasuringGroup(mounts: readonly Mount[], id: string): string | undefined {
  const controller = findController(mounts, 'memory', controllersOf);
  if (controller === undefined) return undefined;
  try {
    return makeGroup(controller, id, []);
  } catch (error) {
    if (error instanceof ChrootctlError) return undefined;
    throw error;
  }
}

function makeGroup(controller: Controller, id: string, settings: readonly Setting[]): string {
  checkId(id);
  const {name, version, mountPoint} = controller;
  const parent = join(mountPoint, PARENT);
  const group = join(parent, id);
  try {
    mkdirSync(parent, {recursive: true});
    if (version === 2) {
      // A controller must be handed down at each level (cgroup-v2.rst, "Enabling and Disabling").
      for (const level of [mountPoint, parent])
        writeFileSync(join(level, 'cgroup.subtree_control'), `+${name}`);
    }
    mkdirSync(group, {recursive: true});
    for (const {file, value, optional} of settings) {
      const path = join(group, file);
      if (existsSync(path)) writeFileSync(path, value);
      else if (optional === undefined) throw new ChrootctlError('FAILED', `this kernel has no ${file}`);
    }
  } catch (error) {
    throw unenforceable(name, mountPoint, error);
  }
  return group;
}

function unenforceable(name: ControllerName, mountPoint: string, cause: unknown): ChrootctlError {
  const errno = errnoOf(cause) ?? '';
  const denied = ['EACCES', 'EPERM', 'EROFS'].includes(errno);
  return new ChrootctlError(
    denied ? 'NOT_PERMITTED' : 'FAILED',
    `the ${name} limit cannot be enforced with ${mountPoint}: ${messageOf(cause)}`,
    {
      hint: denied
        ? 'the control groups are not writable here (a container?); run without this limit'
        : 'run without this limit, or free the hierarchy for it (cgroups(7))',
      cause,
    },
  );
}

/** The id becomes part of a path. */
function checkId(id: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(id))
    throw new ChrootctlError('USAGE', `not a sandbox id: ${id}`);
}

function controllersOf(mountPoint: string): string {
  return readFileSync(join(mountPoint, 'cgroup.controllers'), 'utf8');
}

function directoriesIn(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, {withFileTypes: true})
    .filter((entry) => entry.isDirectory())
    .map(({name}) => name);
}
