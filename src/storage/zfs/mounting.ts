/** Mounting datasets and snapshots: nobody but chrootctl does it. */
import type {HeldTree, MountPlan} from '../../system/mount-plan.ts';
import {holdMounted} from '../../system/view.ts';
import {isMissing, tryZfs} from './command.ts';

/** @param directory any that is there: nothing is mounted relative to it */
export function mountOf(
  directory: string,
  source: string,
  {readOnly = false}: {readOnly?: boolean} = {},
): MountPlan {
  return {
    type: 'zfs',
    source,
    // Reading must not write: an unmount would wait for it.
    options: ['noatime', ...(readOnly ? ['ro'] : [])],
    workingDirectory: directory,
    layers: [],
    contended: true,
  };
}

/** A snapshot, mounted for us; undefined where there is none of that name. */
export async function heldSnapshot(directory: string, snapshot: string): Promise<HeldTree | undefined> {
  try {
    return await holdMounted(mountOf(directory, snapshot, {readOnly: true}));
  } catch (error) {
    const {ok, stderr} = await tryZfs(['list', '-H', '-o', 'name', snapshot]);
    if (!ok && isMissing(stderr)) return undefined;
    throw error;
  }
}
