/** The flags of everything that runs a command, and what they mean to the engine. */
import {boolean, integer, string} from '@oclif/core/flags';
import {ChrootctlError} from '../../src/errors.ts';
import type {RunOptions} from '../../src/store/records.ts';
import {callersVariable} from '../../src/system/runtime.ts';
import {parseDuration, parseSize} from '../../src/units.ts';
import {parseDevice} from '../../src/session/device.ts';
import {parseTmpfs} from '../../src/session/tmpfs.ts';
import {parseUlimit} from '../../src/session/ulimit.ts';
import {parseVolume} from '../../src/session/volume.ts';

export const runFlags = {
  volume: string({
    char: 'v',
    multiple: true,
    multipleNonGreedy: true,
    description: 'show a file or directory of the host inside',
    helpValue: 'SRC:DST[:ro]',
  }),
  env: string({
    char: 'e',
    multiple: true,
    multipleNonGreedy: true,
    description: "set an environment variable (K alone: the caller's)",
    helpValue: 'K=V',
  }),
  workdir: string({char: 'w', description: 'start in this directory', helpValue: 'DIR'}),
  user: string({char: 'u', description: 'run as this user', helpValue: 'USER[:GROUP]'}),
  network: string({options: ['host', 'none'], description: "the host's network, or none (default: host)"}),
  memory: string({description: 'limit of memory', helpValue: 'SIZE'}),
  cpus: string({description: 'limit of processors', helpValue: 'N'}),
  'pids-limit': integer({description: 'limit of processes and threads', min: 1, helpValue: 'N'}),
  timeout: string({description: 'end the command after this time (exit code 124)', helpValue: 'TIME'}),
  hostname: string({description: "host name inside (default: the host's)", helpValue: 'NAME'}),
  'read-only': boolean({description: 'the root cannot be written'}),
  device: string({
    multiple: true,
    multipleNonGreedy: true,
    description: 'give a device of the host',
    helpValue: 'PATH[:PATH][:rwm]',
  }),
  tmpfs: string({
    multiple: true,
    multipleNonGreedy: true,
    description: 'an empty file system in memory at this place',
    helpValue: 'PATH[:size=SIZE,mode=MODE,ro]',
  }),
  'shm-size': string({description: 'limit of /dev/shm', helpValue: 'SIZE'}),
  ulimit: string({
    multiple: true,
    multipleNonGreedy: true,
    description: 'limit of each process by itself',
    helpValue: 'NAME=SOFT[:HARD]',
  }),
  init: boolean({description: 'a process 1 that takes care of orphans: there always is one'}),
  'cap-add': string({
    multiple: true,
    multipleNonGreedy: true,
    description: 'add a capability',
    helpValue: 'CAP',
  }),
  'cap-drop': string({
    multiple: true,
    multipleNonGreedy: true,
    description: 'drop a capability',
    helpValue: 'CAP',
  }),
  privileged: boolean({description: "all capabilities and the host's devices"}),
  'new-privileges': boolean({
    description: 'set-uid programs work (sudo, su): whoever runs inside may then become root of it',
  }),
  'device-nodes': boolean({
    description:
      'device nodes in the root work, of the devices that every sandbox has (as debootstrap needs)',
  }),
  label: string({
    multiple: true,
    multipleNonGreedy: true,
    description: 'label of the session, and of a version made from it',
    helpValue: 'K=V',
  }),
  profile: string({
    description: 'start from a named set of flags: default, user, buildd, builder',
    helpValue: 'NAME',
  }),
};

/** For commands that run one to its end. */
export const reportFlags = {
  report: string({
    description: 'write how it ended, and what it took, to this file (JSON)',
    helpValue: 'FILE',
  }),
};

/** For commands that make a session. */
export const storageFlags = {
  'storage-limit': string({description: 'limit of what is written to the root (zfs)', helpValue: 'SIZE'}),
};

export interface RunFlagValues {
  'storage-limit'?: string | undefined;
  volume?: string[] | undefined;
  env?: string[] | undefined;
  workdir?: string | undefined;
  user?: string | undefined;
  network?: string | undefined;
  memory?: string | undefined;
  cpus?: string | undefined;
  'pids-limit'?: number | undefined;
  timeout?: string | undefined;
  hostname?: string | undefined;
  'read-only'?: boolean | undefined;
  device?: string[] | undefined;
  tmpfs?: string[] | undefined;
  'shm-size'?: string | undefined;
  ulimit?: string[] | undefined;
  'cap-add'?: string[] | undefined;
  'cap-drop'?: string[] | undefined;
  privileged?: boolean | undefined;
  'new-privileges'?: boolean | undefined;
  'device-nodes'?: boolean | undefined;
  profile?: string | undefined;
}

/** Only what was asked for: what is left out is for the profile and the version to say. @throws ChrootctlError USAGE */
export function runOptions(flags: RunFlagValues): RunOptions {
  const options: RunOptions = {
    volumes: flags.volume?.map(parseVolume),
    env: flags.env === undefined ? undefined : environment(flags.env),
    workdir: flags.workdir,
    user: flags.user,
    network: flags.network === 'none' || flags.network === 'host' ? flags.network : undefined,
    memory: flags.memory === undefined ? undefined : parseSize(flags.memory),
    cpus: flags.cpus === undefined ? undefined : parseCpus(flags.cpus),
    pids: flags['pids-limit'],
    storage: flags['storage-limit'] === undefined ? undefined : parseSize(flags['storage-limit']),
    timeout: flags.timeout === undefined ? undefined : parseDuration(flags.timeout),
    hostname: flags.hostname,
    readOnly: flags['read-only'] === true ? true : undefined,
    devices: flags.device?.map(parseDevice),
    tmpfs: flags.tmpfs?.map(parseTmpfs),
    shm: flags['shm-size'] === undefined ? undefined : parseSize(flags['shm-size']),
    ulimits: flags.ulimit?.map(parseUlimit),
    capAdd: flags['cap-add'],
    capDrop: flags['cap-drop'],
    privileged: flags.privileged === true ? true : undefined,
    newPrivileges: flags['new-privileges'] === true ? true : undefined,
    deviceNodes: flags['device-nodes'] === true ? true : undefined,
    profile: flags.profile,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** `K=V` pairs. @throws ChrootctlError USAGE */
export function labels(pairs: readonly string[] | undefined): Record<string, string> {
  return Object.fromEntries((pairs ?? []).map((pair) => keyValue(pair, 'a label')));
}

function environment(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.flatMap((pair) => {
      if (pair.includes('=')) return [keyValue(pair, 'a variable')];
      // As docker has it: a name alone passes the caller's value on, if there is one.
      const value = callersVariable(pair);
      return value === undefined ? [] : [[pair, value] as const];
    }),
  );
}

function keyValue(pair: string, what: string): readonly [string, string] {
  const at = pair.indexOf('=');
  if (at < 1) throw new ChrootctlError('USAGE', `'${pair}' is not ${what}`, {hint: 'write KEY=VALUE'});
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function parseCpus(text: string): number {
  const cpus = Number(text);
  if (!(cpus > 0 && cpus < 100_000)) {
    throw new ChrootctlError('USAGE', `'${text}' is not a number of processors`, {
      hint: 'write for instance 0.5 or 2',
    });
  }
  return cpus;
}
