/** The driver of a store. Kept apart from detection, which only the making of a store needs. */
import {dirname} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import {BtrfsDriver} from './btrfs/driver.ts';
import {DirectoryDriver} from './directory/driver.ts';
import type {StorageDriver} from './driver.ts';
import type {DriverName} from './names.ts';
import {OverlayDriver} from './overlay/driver.ts';
import {ZfsDriver} from './zfs/driver.ts';

/** What a driver must be told beyond where its room in the store is. */
export interface DriverSettings {
  /** zfs: the dataset that belongs to the store. */
  dataset?: string | undefined;
}

/**
 * The driver that holds the volumes in `volumesDirectory`. Reads and changes nothing yet.
 * @throws ChrootctlError BAD_INPUT when a setting that it needs is missing
 */
export function openDriver(
  name: DriverName,
  volumesDirectory: string,
  {dataset}: DriverSettings = {},
): StorageDriver {
  switch (name) {
    case 'overlay':
      return new OverlayDriver(volumesDirectory);
    case 'directory':
      return new DirectoryDriver(volumesDirectory);
    case 'btrfs':
      return new BtrfsDriver(volumesDirectory);
    case 'zfs':
      if (dataset === undefined) {
        throw new ChrootctlError('BAD_INPUT', 'the store does not say which dataset is its own', {
          hint: 'its format.json must name it, as in "dataset": "tank/chrootctl"',
        });
      }
      return new ZfsDriver(volumesDirectory, {dataset, owner: dirname(volumesDirectory)});
  }
}
