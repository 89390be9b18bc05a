/** Named sets of run options: what `--profile` starts from, before anything else that was asked for. */
import {ChrootctlError} from '../errors.ts';
import type {RunOptions} from '../store/records.ts';
import {asCaller} from './caller.ts';
import {mergeOptions} from './merge.ts';

export interface Profile {
  options: RunOptions;
  /** The command is whoever called, in his home. */
  asCaller?: true;
}

const hostFile = (path: string) => ({source: path, target: path, readOnly: true});

const PROFILES: Readonly<Record<string, Profile>> = {
  /** Nothing of the host but its network. */
  default: {options: {}},
  /** As schroot's default: with the host's accounts. */
  user: {options: {volumes: [hostFile('/etc/passwd'), hostFile('/etc/group')]}, asCaller: true},
  /** For package builds: no questions, one locale, no network. */
  buildd: {
    options: {
      network: 'none',
      env: {DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8', HOME: '/nonexistent'},
    },
  },
  /** For what makes roots and images itself (debootstrap): device nodes work. */
  builder: {options: {deviceNodes: true}},
};

export const PROFILE_NAMES = Object.keys(PROFILES);

/** @throws ChrootctlError USAGE */
export function checkProfile(name: string): Profile {
  const profile = Object.hasOwn(PROFILES, name) ? PROFILES[name] : undefined;
  if (profile !== undefined) return profile;
  throw new ChrootctlError('USAGE', `there is no profile '${name}'`, {
    hint: `the profiles are: ${PROFILE_NAMES.join(', ')}`,
  });
}

/** @throws ChrootctlError USAGE */
export function profileOptions(name = 'default'): RunOptions {
  const profile = checkProfile(name);
  return profile.asCaller === true ? mergeOptions(asCaller(), profile.options) : profile.options;
}
