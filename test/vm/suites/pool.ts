/** Pools for the tests of one file, on the guest's second disk. */
import {afterEach} from '@jest/globals';
import {execFileSync} from 'node:child_process';

let made: string | undefined;

/** A new pool on a whole disk, with nothing mounted; one at a time. It goes with its test. */
export function temporaryPool(): string {
  const disk = process.env['CHROOTCTL_TEST_DISK'];
  if (disk === undefined) throw new Error('CHROOTCTL_TEST_DISK names no disk');
  execFileSync('zpool', ['create', '-f', '-O', 'mountpoint=none', 'temporary', disk]);
  made = 'temporary';
  return made;
}

/** Calls zfs(8) and gives what it printed, without the last newline. */
export function zfs(...args: string[]): string {
  return execFileSync('zfs', args, {encoding: 'utf8'}).trimEnd();
}

afterEach(() => {
  if (made !== undefined) execFileSync('zpool', ['destroy', '-f', made]);
  made = undefined;
});
