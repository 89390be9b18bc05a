/** Where volumes can be btrfs subvolumes. */
import {readdirSync, statfsSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError} from '../../errors.ts';
import type {DriverKind} from '../kind.ts';
import {described, obstacleTo, typeAt} from '../probes.ts';
import {deleteSubvolume} from './nested.ts';
import {createSubvolume, isSubvolume, snapshotSubvolume} from './subvolumes.ts';
import {isThere} from '../../system/files.ts';

/** statfs(2) */
const BTRFS_SUPER_MAGIC = 0x9123683e;

export const btrfs: DriverKind = {
  requirement: {probe: trySubvolumes, hint: 'choose --driver overlay or directory, or a --root on btrfs'},

  async suits({trial, type}) {
    if (type !== 'btrfs') return undefined;
    const obstacle = await obstacleTo(trySubvolumes, trial);
    return obstacle === undefined
      ? {works: true, why: 'a snapshot of btrfs clones a root of any size'}
      : {works: false, why: `the btrfs driver cannot work: ${described(obstacle)}`, obstacle};
  },

  async open(volumes) {
    const {BtrfsDriver} = await import('./driver.ts');
    return new BtrfsDriver(volumes);
  },

  /** Subvolumes may be read-only. */
  async deleteTrial(trial) {
    if (!isThere(trial) || statfsSync(trial).type !== BTRFS_SUPER_MAGIC) return;
    for (const name of readdirSync(trial)) {
      const path = join(trial, name);
      if (isSubvolume(path)) await deleteSubvolume(path);
    }
  },
};

/** A subvolume is made, cloned and deleted. */
async function trySubvolumes(trial: string): Promise<void> {
  if (typeAt(trial) !== 'btrfs') throw new ChrootctlError('FAILED', 'only btrfs has subvolumes');
  const [subvolume, clone] = [join(trial, 'subvolume'), join(trial, 'clone')];
  await createSubvolume(subvolume);
  await snapshotSubvolume(subvolume, clone, {readOnly: true});
  for (const path of [clone, subvolume]) await deleteSubvolume(path);
}
