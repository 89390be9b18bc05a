/** The storage drivers that this version brings. */
export const DRIVER_NAMES = ['zfs', 'btrfs', 'overlay', 'directory'] as const;

export type DriverName = (typeof DRIVER_NAMES)[number];

export function isDriverName(name: string): name is DriverName {
  return (DRIVER_NAMES as readonly string[]).includes(name);
}
