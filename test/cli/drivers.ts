/** The drivers that the command-line tests go through here; a guest with a pool has another list. */
export const DRIVERS = (process.env['CHROOTCTL_TEST_DRIVERS'] ?? 'btrfs,overlay,directory').split(',');
