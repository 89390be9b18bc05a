/** The driver of a store. Kept apart from detection, which only the making of a store needs. */
import {DirectoryDriver} from './directory.ts';
import type {StorageDriver} from './driver.ts';
import type {DriverName} from './names.ts';
import {OverlayDriver} from './overlay.ts';

/** The driver that holds the volumes in `volumesDirectory`. Reads and changes nothing yet. */
export function openDriver(name: DriverName, volumesDirectory: string): StorageDriver {
  return name === 'overlay' ? new OverlayDriver(volumesDirectory) : new DirectoryDriver(volumesDirectory);
}
