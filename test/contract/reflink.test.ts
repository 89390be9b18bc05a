/** The directory driver where the file system shares blocks between copies. */
import {describe, expect, test} from '@jest/globals';
import {mkdtempSync, statfsSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {openDriver} from '../../src/storage/registry.ts';
import {canMake, loopFileSystem} from './loop.ts';
import {driverContract} from './suite.ts';
import {doing} from './tree.ts';

for (const type of ['xfs', 'btrfs'].filter(canMake)) {
  driverContract({
    name: `directory (on ${type})`,
    chain: 10,
    make: async () => {
      const {directory: mounted, cleanup} = loopFileSystem(type);
      const directory = join(mkdtempSync(join(mounted, 's:t,-')), 'volumes');
      return {driver: await openDriver('directory', directory), directory, cleanup};
    },
  });

  describe(`a clone on ${type}`, () => {
    test('shares its blocks with its parent', async () => {
      const {directory, cleanup} = loopFileSystem(type);
      try {
        const driver = await openDriver('directory', join(directory, 'volumes'));
        await driver.create('base');
        await driver.withTree(
          'base',
          doing((tree) => writeFileSync(join(tree, 'big'), Buffer.alloc(50 << 20, 1))),
        );
        await driver.freeze('base');
        const before = freeBytes(directory);
        await driver.create('next', {parent: 'base'});
        await driver.freeze('next');
        expect(before - freeBytes(directory)).toBeLessThan(10 << 20);
      } finally {
        cleanup();
      }
    });
  });
}

function freeBytes(directory: string): number {
  const {bfree, bsize} = statfsSync(directory);
  return bfree * bsize;
}
