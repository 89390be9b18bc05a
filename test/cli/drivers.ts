/** The drivers that the command-line tests go through here; a guest with a pool has another list. */
export const DRIVERS = (process.env['CHROOTCTL_TEST_DRIVERS'] ?? 'btrfs,overlay,directory').split(',');

/** How many times longer everything takes on an emulated processor. */
export const SLOWNESS = Number(process.env['CHROOTCTL_TEST_SLOWNESS'] ?? '1');
