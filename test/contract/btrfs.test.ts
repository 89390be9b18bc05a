import {mkdtempSync} from 'node:fs';
import {join} from 'node:path';
import {openDriver} from '../../src/storage/registry.ts';
import {loopFileSystem} from './loop.ts';
import {driverContract} from './suite.ts';

driverContract({
  name: 'btrfs',
  chain: 40,
  make: async () => {
    const {directory: mounted, cleanup} = loopFileSystem('btrfs');
    const directory = join(mkdtempSync(join(mounted, 'st:or,e\\ \n-')), 'volumes');
    return {driver: await openDriver('btrfs', directory), directory, cleanup};
  },
});
