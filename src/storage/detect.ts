/** Which driver can work where: found out by trying, not by the name of the file system. */
import {dirname} from 'node:path';
import {ChrootctlError, messageOf} from '../errors.ts';
import {described, isOfMoment, obstacleTo, tryMount, typeAt} from './probes.ts';
import {DRIVER_NAMES, kindOf, PLAINEST, WITH_DATASETS, type DriverName} from './registry.ts';
import {inTrial} from './trial.ts';

export interface Detected {
  driver: DriverName;
  /** The dataset that is mounted where the store is, if the driver is one for datasets. */
  dataset?: string;
  /** A few sentences for people: why this one, and why none that would have been better. */
  why: string;
  /** Nothing can be mounted at all, so that no driver gives anybody a root; and why. */
  refusal?: ChrootctlError;
}

/**
 * The best driver for volumes in `directory`, which need not exist yet. There is one, also where nothing can be tried.
 * @throws what kept one from being tried for the moment only: a store keeps its driver
 */
export async function detectDriver(directory: string): Promise<Detected> {
  let best: Detected | undefined;
  try {
    await inTrial(directory, async (trial) => {
      best = await detectIn(directory, trial);
    });
  } catch (error) {
    // There may be a best one: then it is what was left of the trial that could not be deleted.
    if (best === undefined && isOfMoment(error)) throw error;
    const {why, ...found} = best ?? UNTRIED;
    return {...found, why: `${why} (${messageOf(error)})`};
  }
  return best ?? UNTRIED;
}

const UNTRIED: Detected = {driver: PLAINEST, why: 'nothing better could be tried'};

async function detectIn(volumes: string, trial: string): Promise<Detected | undefined> {
  const site = {volumes, trial, type: typeAt(trial)};
  const failed: string[] = [];
  let isRefused = false;
  for (const driver of DRIVER_NAMES) {
    const answer = await kindOf(driver).suits(site);
    if (answer === undefined) continue;
    if (answer.works) {
      const {why, works: _works, ...rest} = answer;
      const refusal = isRefused ? await obstacleTo(tryMount, trial) : undefined;
      return {
        driver,
        ...rest,
        why: [why, ...failed].join('; '),
        ...(refusal?.code === 'NOT_PERMITTED' ? {refusal} : {}),
      };
    }
    failed.unshift(answer.why);
    isRefused ||= answer.obstacle.code === 'NOT_PERMITTED';
  }
  return undefined;
}

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
  const driver = wanted.driver ?? (wanted.dataset === undefined ? undefined : WITH_DATASETS);
  if (driver === undefined) {
    const {why: _why, ...choice} = await detectDriver(directory);
    return choice;
  }
  await requireDriver(driver, directory);
  const {datasets} = kindOf(driver);
  if (datasets === undefined) {
    if (wanted.dataset === undefined) return {driver};
    throw new ChrootctlError('USAGE', `the ${driver} driver needs no dataset`, {
      hint: 'leave --dataset or --driver away',
    });
  }
  const dataset = wanted.dataset ?? datasets.mountedAt(dirname(directory));
  if (dataset !== undefined) return {driver, dataset};
  throw new ChrootctlError('USAGE', `the ${driver} driver needs a dataset of its own`, {
    hint: `chrootctl init --driver ${driver} --dataset POOL/NAME makes a store that has one`,
  });
}

/**
 * Makes sure that the driver somebody asked for can work in `directory`.
 * @throws ChrootctlError FAILED or NOT_PERMITTED, saying why it cannot
 */
export async function requireDriver(name: DriverName, directory: string): Promise<void> {
  const {requirement} = kindOf(name);
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
