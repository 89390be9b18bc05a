/** Trying out what a driver needs: a probe throws when it does not work in a directory, saying why. */
import {errnoOf, messageOf, toChrootctlError, type ChrootctlError} from '../errors.ts';
import type {MountPlan} from '../system/mount-plan.ts';
import {mountsOf} from '../system/mounts.ts';
import {withMounted} from '../system/view.ts';

export type Probe = (trial: string) => Promise<void>;

/**
 * Why a probe fails in a directory; undefined when it does not.
 * @throws what says nothing of the place, since it is the moment's: see `isOfMoment`
 */
export async function obstacleTo(probe: Probe, trial: string): Promise<ChrootctlError | undefined> {
  try {
    await probe(trial);
    return undefined;
  } catch (error) {
    if (isOfMoment(error)) throw error;
    return toChrootctlError(error);
  }
}

/** No descriptors, memory, processes or space were left, or a disk failed: another time the same would work. */
const OF_MOMENT: ReadonlySet<string> = new Set([
  'EAGAIN',
  'EDQUOT',
  'EIO',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOSPC',
]);
/** The same in the words of strerror(3), from programs. */
const IN_WORDS =
  /Input\/output error|Too many open files|Cannot allocate memory|No space left on device|Disk quota exceeded|Resource temporarily unavailable/;

export function isOfMoment(error: unknown): boolean {
  const causes = [error, error instanceof Error ? error.cause : undefined];
  return causes.some((cause) => OF_MOMENT.has(errnoOf(cause) ?? '')) || IN_WORDS.test(messageOf(error));
}

/** An obstacle in a sentence: a program that is missing comes with what brings it. */
export function described({message, hint}: ChrootctlError): string {
  return hint?.startsWith('install it') === true ? `${message}; ${hint}` : message;
}

/** A directory is mounted, as that of every volume has to be. */
export async function tryMount(trial: string): Promise<void> {
  const plan: MountPlan = {
    type: 'none',
    source: trial,
    options: ['bind', 'private'],
    workingDirectory: trial,
    layers: [trial],
  };
  await withMounted(plan, () => Promise.resolve());
}

/** The type of the file system that holds `path`, as the kernel names it. */
export function typeAt(path: string): string {
  const holding = mountsOf()
    .filter(({mountPoint}) => mountPoint === '/' || `${path}/`.startsWith(`${mountPoint}/`))
    .sort((a, b) => a.mountPoint.length - b.mountPoint.length);
  return holding.at(-1)?.type ?? 'this file system';
}
