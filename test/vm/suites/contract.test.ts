/** The contract of all drivers, on a real pool: once with channel programs, once as where none can be run. */
import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {ZfsDriver} from '../../../src/storage/zfs/driver.ts';
import {prepareRoom} from '../../../src/storage/zfs/room.ts';
import {driverContract} from '../../contract/suite.ts';
import {cleanUp, temporaryDataset, temporaryDirectory} from '../../temporary.ts';

for (const programs of [true, false]) {
  driverContract({
    name: programs ? 'zfs' : 'zfs (without channel programs)',
    chain: programs ? 8 : 5,
    opaque: true,
    slow: true,
    ...(programs ? {} : {only: /snapshot keeps|commits in a row|any order|repeated|not so/}),
    make: async () => {
      const dataset = temporaryDataset();
      const store = temporaryDirectory();
      const directory = join(store, 'st:or,e\\ \n-', 'volumes');
      mkdirSync(directory, {recursive: true});
      const owner = join(directory, '..');
      await prepareRoom(dataset, owner);
      return {
        driver: new ZfsDriver(directory, {dataset, owner, programs}),
        directory,
        settings: {dataset},
        remains: () => [
          ...below(`${dataset}/volumes`),
          ...readdirSync(directory).filter((name) => !name.startsWith('.')),
        ],
        cleanup: cleanUp,
      };
    },
  });
}

/** Names of the datasets. */
function below(dataset: string): string[] {
  return execFileSync('zfs', ['list', '-H', '-r', '-o', 'name', dataset], {encoding: 'utf8'})
    .trim()
    .split('\n')
    .slice(1)
    .map((name) => name.slice(dataset.length + 1));
}
