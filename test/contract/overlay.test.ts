import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {openDriver} from '../../src/storage/registry.ts';
import {driverContract} from './suite.ts';

driverContract({
  name: 'overlay',
  chain: 300,
  make: async () => {
    // The characters that separate mount options and layers, in the path of the store itself.
    const root = mkdtempSync(join(tmpdir(), 'st:or,e\\ \n-'));
    const directory = join(root, 'volumes');
    return {
      driver: await openDriver('overlay', directory),
      directory,
      cleanup: () => rmSync(root, {recursive: true}),
    };
  },
});
