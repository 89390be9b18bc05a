import {mkdtempSync} from 'node:fs';
import {join} from 'node:path';
import {openDriver} from '../../src/storage/open.ts';
import {loopFileSystem} from './loop.ts';
import {driverContract} from './suite.ts';

driverContract({
  name: 'btrfs',
  chain: 40,
  make: () => {
    const {directory: mounted, cleanup} = loopFileSystem('btrfs');
    const directory = join(mkdtempSync(join(mounted, 'st:or,e\\ \n-')), 'volumes');
    return {driver: openDriver('btrfs', directory), directory, cleanup};
  },
});
