/** The storage drivers that this version brings. A driver is named in its own folder and here. */
import {btrfs} from './btrfs/kind.ts';
import {directory} from './directory/kind.ts';
import type {StorageDriver} from './driver.ts';
import type {DriverKind, DriverSettings} from './kind.ts';
import {overlay} from './overlay/kind.ts';
import {zfs} from './zfs/kind.ts';

/** The best first; the last one works everywhere. */
const KINDS = {zfs, btrfs, overlay, directory} satisfies Record<string, DriverKind>;

export type DriverName = keyof typeof KINDS;

export const DRIVER_NAMES = Object.keys(KINDS) as readonly DriverName[];

/** What is taken where nothing could be tried. */
export const PLAINEST: DriverName = 'directory';

export function isDriverName(name: string): name is DriverName {
  return Object.hasOwn(KINDS, name);
}

export function kindOf(name: DriverName): DriverKind {
  return KINDS[name];
}

/** The one whose stores have a dataset each. */
export const WITH_DATASETS: DriverName = 'zfs';

/**
 * The driver that holds the volumes in `volumesDirectory`. Reads and changes nothing yet.
 * @throws ChrootctlError BAD_INPUT when a setting that it needs is missing
 */
export function openDriver(
  name: DriverName,
  volumesDirectory: string,
  settings: DriverSettings = {},
): Promise<StorageDriver> {
  return kindOf(name).open(volumesDirectory, settings);
}

/** Enough of a file's beginning to tell a stream of any driver. */
export const STREAM_HEAD = Math.max(...DRIVER_NAMES.map((name) => kindOf(name).stream?.head ?? 0));

/** The driver whose stream begins like this. */
export function streamDriverOf(head: Uint8Array): DriverName | undefined {
  return DRIVER_NAMES.find((name) => kindOf(name).stream?.isStream(head) === true);
}
