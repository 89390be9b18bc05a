/** Limits of each process by itself (getrlimit(2)): what `--ulimit` names. */
import {ChrootctlError} from '../errors.ts';
import type {Ulimit} from './spec.ts';

/** In the order of the kernel's numbers (asm-generic/resource.h, the same on all processors served here). */
const RESOURCES = [
  'cpu',
  'fsize',
  'data',
  'stack',
  'core',
  'rss',
  'nproc',
  'nofile',
  'memlock',
  'as',
  'locks',
  'sigpending',
  'msgqueue',
  'nice',
  'rtprio',
  'rttime',
];

export interface ResourceLimit {
  resource: number;
  soft: number;
  hard: number;
}

/** @throws ChrootctlError USAGE for a name that is none, and a soft limit above the hard one */
export function resourceLimit({name, soft, hard}: Ulimit): ResourceLimit {
  const resource = RESOURCES.indexOf(name);
  if (resource < 0) {
    throw new ChrootctlError('USAGE', `there is no limit '${name}'`, {
      hint: `the names are: ${RESOURCES.join(', ')}`,
    });
  }
  if (hard !== -1 && (soft === -1 || soft > hard))
    throw new ChrootctlError('USAGE', `the soft limit of ${name} is above the hard one`);
  return {resource, soft, hard};
}
