import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {openDriver} from '../../src/storage/registry.ts';
import {driverContract} from './suite.ts';

driverContract({
  name: 'directory',
  chain: 20,
  make: async () => {
    const root = mkdtempSync(join(tmpdir(), 'st:or,e\\ \n-'));
    const directory = join(root, 'volumes');
    return {
      driver: await openDriver('directory', directory),
      directory,
      cleanup: () => rmSync(root, {recursive: true}),
    };
  },
});
