/** Which driver can work where: found out by trying, not by the name of the file system. */
import {lstatSync, mkdirSync, rmdirSync, unlinkSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {ChrootctlError, messageOf} from '../errors.ts';
import {mountsOf} from '../system/mounts.ts';
import {attempt} from '../system/process.ts';
import {withMounted} from '../system/view.ts';
import type {DriverName} from './names.ts';
import {deleteSubvolume} from './nested.ts';
import {createSubvolume, snapshotSubvolume} from './subvolumes.ts';
import {inTrial} from './trial.ts';
import {opaqueDirectories} from './xattrs.ts';
import {zfs} from './zfs/command.ts';
import {datasetMountedAt} from './zfs/mounted.ts';

export interface Detected {
  driver: DriverName;
  /** zfs: the dataset that is mounted where the store is. */
  dataset?: string;
  /** One sentence for people. */
  why: string;
}

/** The best driver for volumes in `directory`, which need not exist yet. */
export async function detectDriver(directory: string): Promise<Detected> {
  const dataset = datasetMountedAt(dirname(directory));
  if (dataset !== undefined) {
    const obstacle = await zfsObstacle();
    if (obstacle === undefined) return {driver: 'zfs', dataset, why: `the store is the dataset ${dataset}`};
    const {driver, why} = await detectOnDirectory(directory);
    return {driver, why: `${why}; zfs does not work for the dataset ${dataset} (${obstacle})`};
  }
  return detectOnDirectory(directory);
}

async function detectOnDirectory(directory: string): Promise<Detected> {
  return inTrial(directory, async (trial) => {
    const type = typeAt(trial);
    let aside = '';
    if (type === 'btrfs') {
      const obstacle = await btrfsObstacle(trial);
      if (obstacle === undefined)
        return {driver: 'btrfs', why: 'a snapshot of btrfs clones a root of any size'};
      aside = `; the btrfs driver cannot work: ${obstacle}`;
    }
    const obstacle = await overlayObstacle(trial);
    if (obstacle === undefined) return {driver: 'overlay', why: `overlayfs works on ${type}${aside}`};
    const clones = (await sharesBlocks(trial))
      ? 'clones share their blocks (reflinks)'
      : 'every clone is a full copy';
    return {driver: 'directory', why: `overlayfs does not work on ${type} (${obstacle}); ${clones}${aside}`};
  });
}

/**
 * What a new store is to have: what was asked for, if it can work, or else the best that does.
 * @throws ChrootctlError FAILED, USAGE
 */
export async function chooseDriver(
  directory: string,
  wanted: {driver?: DriverName | undefined; dataset?: string | undefined},
): Promise<{driver: DriverName; dataset?: string}> {
  const driver = wanted.driver ?? (wanted.dataset === undefined ? undefined : 'zfs');
  if (driver === undefined) {
    const {driver, dataset} = await detectDriver(directory);
    return {driver, ...(dataset === undefined ? {} : {dataset})};
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
 * @throws ChrootctlError FAILED saying why it cannot
 */
export async function requireDriver(name: DriverName, directory: string): Promise<void> {
  const requirement = REQUIREMENTS[name];
  if (requirement === undefined) return;
  await inTrial(directory, async (trial) => {
    const obstacle = await requirement.obstacle(trial);
    if (obstacle === undefined) return;
    throw new ChrootctlError(
      'FAILED',
      `the ${name} driver cannot work in ${directory} on ${typeAt(trial)}: ${obstacle}`,
      {hint: requirement.hint},
    );
  });
}

interface Requirement {
  /** Why the driver cannot work on the file system of a directory; undefined when it can. */
  obstacle: (trial: string) => Promise<string | undefined>;
  /** The way on when it cannot. */
  hint: string;
}

/** `directory` works everywhere. */
const REQUIREMENTS: Partial<Record<DriverName, Requirement>> = {
  zfs: {
    obstacle: zfsObstacle,
    hint: 'install zfsutils-linux and load the module (modprobe zfs), or leave --driver away',
  },
  btrfs: {
    obstacle: btrfsObstacle,
    hint: 'choose --driver overlay or directory, or a --root on btrfs',
  },
  overlay: {
    obstacle: overlayObstacle,
    hint: 'choose --driver directory, or a --root on another file system (ext4, xfs, btrfs)',
  },
};

/** Why a volume could not be a subvolume here; undefined when one could be made, cloned and deleted. */
async function btrfsObstacle(trial: string): Promise<string | undefined> {
  if (typeAt(trial) !== 'btrfs') return 'only btrfs has subvolumes';
  const [subvolume, clone] = [join(trial, 'subvolume'), join(trial, 'clone')];
  try {
    await createSubvolume(subvolume);
    await snapshotSubvolume(subvolume, clone, {readOnly: true});
    for (const path of [clone, subvolume]) await deleteSubvolume(path);
    return undefined;
  } catch (error) {
    const hint = error instanceof ChrootctlError ? error.hint : undefined;
    return hint === undefined ? messageOf(error) : `${messageOf(error)}; ${hint}`;
  }
}

/** Why a volume could not be an overlay here; undefined when a trial with a deletion and a replacement went well. */
async function overlayObstacle(trial: string): Promise<string | undefined> {
  for (const name of ['lower', 'lower/replaced', 'upper', 'work']) mkdirSync(join(trial, name));
  for (const name of ['deleted', 'replaced/file']) writeFileSync(join(trial, 'lower', name), '');
  const options = [
    'redirect_dir=off',
    'metacopy=off',
    'index=off',
    'lowerdir=lower',
    'upperdir=upper',
    'workdir=work',
  ];
  const plan = {type: 'overlay', source: 'overlay', options, workingDirectory: trial, layers: []};
  try {
    await withMounted(plan, (directory) => {
      unlinkSync(join(directory, 'deleted'));
      unlinkSync(join(directory, 'replaced/file'));
      rmdirSync(join(directory, 'replaced'));
      mkdirSync(join(directory, 'replaced'));
      return Promise.resolve();
    });
  } catch (error) {
    return messageOf(error);
  }
  const whiteout = lstatSync(join(trial, 'upper/deleted'), {throwIfNoEntry: false});
  if (whiteout?.isCharacterDevice() !== true) return 'a deletion left no whiteout';
  const [opaque] = await opaqueDirectories([join(trial, 'upper')]);
  return opaque?.has('replaced') === true ? undefined : 'there are no trusted extended attributes';
}

/** Why datasets cannot be handled here; undefined when zfs(8) and the kernel answer. */
async function zfsObstacle(): Promise<string | undefined> {
  try {
    await zfs('version');
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

async function sharesBlocks(trial: string): Promise<boolean> {
  const [from, to] = [join(trial, 'blocks'), join(trial, 'shared')];
  writeFileSync(from, Buffer.alloc(1 << 16, 1));
  return (await attempt('cp', ['--reflink=always', '--', from, to])).code === 0;
}

/** The type of the file system that holds `path`, as the kernel names it. */
function typeAt(path: string): string {
  const holding = mountsOf()
    .filter(({mountPoint}) => mountPoint === '/' || `${path}/`.startsWith(`${mountPoint}/`))
    .sort((a, b) => a.mountPoint.length - b.mountPoint.length);
  return holding.at(-1)?.type ?? 'this file system';
}
