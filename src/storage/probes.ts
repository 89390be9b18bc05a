/** What each driver needs, tried out in a directory: a probe throws when it does not work there, saying why. */
import {lstatSync, mkdirSync, rmdirSync, unlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError, toChrootctlError} from '../errors.ts';
import type {MountPlan} from '../system/mount-plan.ts';
import {mountsOf} from '../system/mounts.ts';
import {attempt} from '../system/programs.ts';
import {withMounted} from '../system/view.ts';
import {deleteSubvolume} from './btrfs/nested.ts';
import {createSubvolume, snapshotSubvolume} from './btrfs/subvolumes.ts';
import {marksIn} from './trees/xattrs.ts';
import {zfs} from './zfs/command.ts';

export type Probe = (trial: string) => Promise<void>;

/** Why a probe fails in a directory; undefined when it does not. Nothing that it throws goes any further. */
export async function obstacleTo(probe: Probe, trial: string): Promise<ChrootctlError | undefined> {
  try {
    await probe(trial);
    return undefined;
  } catch (error) {
    return toChrootctlError(error);
  }
}

/** An obstacle in a sentence: a program that is missing comes with what brings it. */
export function described({message, hint}: ChrootctlError): string {
  return hint?.startsWith('install it') === true ? `${message}; ${hint}` : message;
}

/** A subvolume is made, cloned and deleted. */
export async function tryBtrfs(trial: string): Promise<void> {
  if (typeAt(trial) !== 'btrfs') throw new ChrootctlError('FAILED', 'only btrfs has subvolumes');
  const [subvolume, clone] = [join(trial, 'subvolume'), join(trial, 'clone')];
  await createSubvolume(subvolume);
  await snapshotSubvolume(subvolume, clone, {readOnly: true});
  for (const path of [clone, subvolume]) await deleteSubvolume(path);
}

/** In an overlay a file is deleted and a directory replaced. */
export async function tryOverlay(trial: string): Promise<void> {
  for (const name of ['lower', 'lower/replaced', 'upper', 'work']) mkdirSync(join(trial, name));
  for (const name of ['deleted', 'replaced/file']) writeFileSync(join(trial, 'lower', name), '');
  const options = [
    'redirect_dir=on',
    'metacopy=off',
    'index=off',
    'lowerdir=lower',
    'upperdir=upper',
    'workdir=work',
  ];
  const plan = {type: 'overlay', source: 'overlay', options, workingDirectory: trial, layers: []};
  await withMounted(plan, (directory) => {
    unlinkSync(join(directory, 'deleted'));
    unlinkSync(join(directory, 'replaced/file'));
    rmdirSync(join(directory, 'replaced'));
    mkdirSync(join(directory, 'replaced'));
    return Promise.resolve();
  });
  const whiteout = lstatSync(join(trial, 'upper/deleted'), {throwIfNoEntry: false});
  if (whiteout?.isCharacterDevice() !== true) {
    throw new ChrootctlError('FAILED', 'a deletion left no whiteout');
  }
  const [marks] = await marksIn([join(trial, 'upper')]);
  if (marks?.opaque.has('replaced') !== true)
    throw new ChrootctlError('FAILED', 'there are no trusted extended attributes');
}

/** zfs(8) and the kernel answer. */
export async function tryZfs(): Promise<void> {
  await zfs('version');
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

/** Two files share their blocks. */
export async function tryReflink(trial: string): Promise<void> {
  const [from, to] = [join(trial, 'blocks'), join(trial, 'shared')];
  writeFileSync(from, Buffer.alloc(1 << 16, 1));
  const {code} = await attempt('cp', ['--reflink=always', '--', from, to]);
  if (code !== 0) throw new ChrootctlError('FAILED', 'there are no reflinks');
}

/** The type of the file system that holds `path`, as the kernel names it. */
export function typeAt(path: string): string {
  const holding = mountsOf()
    .filter(({mountPoint}) => mountPoint === '/' || `${path}/`.startsWith(`${mountPoint}/`))
    .sort((a, b) => a.mountPoint.length - b.mountPoint.length);
  return holding.at(-1)?.type ?? 'this file system';
}
