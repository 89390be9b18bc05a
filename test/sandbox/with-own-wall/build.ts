/** The programs in C as the build makes them for CHROOTCTL_WALL=own (docs/without-bubblewrap.md). */
import {afterEach} from '@jest/globals';
import {accessSync, mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {compileNative, HELPERS} from '../../../scripts/native.js';
import {keepForAllTests, temporaryDirectory} from '../../temporary.ts';

/** From here on a sandbox is made by them. */
export function useOwnWall(): void {
  process.env['CHROOTCTL_WALL'] = 'own';
  const directory = temporaryDirectory();
  keepForAllTests();
  mkdirSync(join(directory, 'native'));
  for (const name of HELPERS) {
    const target = join(directory, 'native', `${name}-${process.arch}`);
    const left = compileNative(name, process.arch, target);
    if (left !== undefined) throw new Error(left);
    // Without it perl would be tried in its place, and bubblewrap.
    afterEach(() => accessSync(target));
  }
  process.env['CHROOTCTL_TEST_INSTALLED'] = directory;
}
