/** Which driver can work where: found out by trying, not by the name of the file system. */
import {dirname} from 'node:path';
import {ChrootctlError, messageOf} from '../errors.ts';
import type {DriverName} from './names.ts';
import {
  described,
  obstacleTo,
  tryBtrfs,
  tryMount,
  tryOverlay,
  tryReflink,
  tryZfs,
  typeAt,
  type Probe,
} from './probes.ts';
import {inTrial} from './trial.ts';
import {datasetMountedAt} from './zfs/mounted.ts';

export interface Detected {
  driver: DriverName;
  /** zfs: the dataset that is mounted where the store is. */
  dataset?: string;
  /** One sentence for people. */
  why: string;
  /** Nothing can be mounted at all, so that no driver gives anybody a root; and why. */
  refusal?: ChrootctlError;
}

/** The best driver for volumes in `directory`, which need not exist yet. There is one, whatever fails on the way. */
export async function detectDriver(directory: string): Promise<Detected> {
  let best: Detected = {driver: 'directory', why: 'nothing better could be tried'};
  try {
    const dataset = datasetMountedAt(dirname(directory));
    const obstacle = dataset === undefined ? undefined : await obstacleTo(tryZfs, directory);
    if (dataset !== undefined && obstacle === undefined)
      return {driver: 'zfs', dataset, why: `the store is the dataset ${dataset}`};
    await inTrial(directory, async (trial) => {
      best = await detectIn(trial);
      if (dataset !== undefined && obstacle !== undefined)
        best.why += `; zfs does not work for the dataset ${dataset} (${described(obstacle)})`;
    });
    return best;
  } catch (error) {
    // There may be a best one: then it is what was left of the trial that could not be deleted.
    return {...best, why: `${best.why} (${messageOf(error)})`};
  }
}

async function detectIn(trial: string): Promise<Detected> {
  const type = typeAt(trial);
  let aside = '';
  if (type === 'btrfs') {
    const obstacle = await obstacleTo(tryBtrfs, trial);
    if (obstacle === undefined)
      return {driver: 'btrfs', why: 'a snapshot of btrfs clones a root of any size'};
    aside = `; the btrfs driver cannot work: ${described(obstacle)}`;
  }
  const obstacle = await obstacleTo(tryOverlay, trial);
  if (obstacle === undefined) return {driver: 'overlay', why: `overlayfs works on ${type}${aside}`};
  const refusal = obstacle.code === 'NOT_PERMITTED' ? await obstacleTo(tryMount, trial) : undefined;
  const clones =
    (await obstacleTo(tryReflink, trial)) === undefined
      ? 'clones share their blocks (reflinks)'
      : 'every clone is a full copy';
  // What a container has its own root on.
  if (type === 'overlay') aside += `; ${ELSEWHERE}`;
  return {
    driver: 'directory',
    why: `overlayfs does not work on ${type} (${described(obstacle)}); ${clones}${aside}`,
    ...(refusal?.code === 'NOT_PERMITTED' ? {refusal} : {}),
  };
}

const ELSEWHERE =
  'a store on a volume (-v chrootctl:/var/lib/chrootctl) or a disk of its own has a better driver';

/** What a new store is to have. */
export interface Choice {
  driver: DriverName;
  dataset?: string;
  /** As of a detected one. */
  refusal?: ChrootctlError;
}

/**
 * What was asked for, if it can work, or else the best that does.
 * @throws ChrootctlError for what was asked for: FAILED, NOT_PERMITTED, USAGE
 */
export async function chooseDriver(
  directory: string,
  wanted: {driver?: DriverName | undefined; dataset?: string | undefined},
): Promise<Choice> {
  const driver = wanted.driver ?? (wanted.dataset === undefined ? undefined : 'zfs');
  if (driver === undefined) {
    const {why: _why, ...choice} = await detectDriver(directory);
    return choice;
  }
  await requireDriver(driver, directory);
  if (driver !== 'zfs') {
    if (wanted.dataset === undefined) return {driver};
    throw new ChrootctlError('USAGE', `the ${driver} driver needs no dataset`, {
      hint: 'leave --dataset or --driver away',
    });
  }
  const dataset = wanted.dataset ?? datasetMountedAt(dirname(directory));
  if (dataset !== undefined) return {driver, dataset};
  throw new ChrootctlError('USAGE', 'the zfs driver needs a dataset of its own', {
    hint: 'chrootctl init --driver zfs --dataset POOL/NAME makes a store that has one',
  });
}

/**
 * Makes sure that the driver somebody asked for can work in `directory`.
 * @throws ChrootctlError FAILED or NOT_PERMITTED, saying why it cannot
 */
export async function requireDriver(name: DriverName, directory: string): Promise<void> {
  const requirement = REQUIREMENTS[name];
  if (requirement === undefined) return;
  await inTrial(directory, async (trial) => {
    const obstacle = await obstacleTo(requirement.probe, trial);
    if (obstacle === undefined) return;
    const isRefused = obstacle.code === 'NOT_PERMITTED' && obstacle.hint !== undefined;
    throw new ChrootctlError(
      isRefused ? 'NOT_PERMITTED' : 'FAILED',
      `the ${name} driver cannot work in ${directory} on ${typeAt(trial)}: ${described(obstacle)}`,
      {hint: isRefused ? obstacle.hint : requirement.hint, cause: obstacle},
    );
  });
}

interface Requirement {
  /** What must go well on the file system of a directory. */
  probe: Probe;
  /** The way on when it does not. */
  hint: string;
}

/** `directory` works everywhere. */
const REQUIREMENTS: Partial<Record<DriverName, Requirement>> = {
  zfs: {
    probe: tryZfs,
    hint: 'install zfsutils-linux and load the module (modprobe zfs), or leave --driver away',
  },
  btrfs: {
    probe: tryBtrfs,
    hint: 'choose --driver overlay or directory, or a --root on btrfs',
  },
  overlay: {
    probe: tryOverlay,
    hint: 'choose --driver directory, or a --root on another file system (ext4, xfs, btrfs)',
  },
};
