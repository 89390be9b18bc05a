/** Where volumes can be ZFS datasets: in a dataset that the store has been given, or that is mounted at its root. */
import {dirname} from 'node:path';
import {ChrootctlError} from '../../errors.ts';
import type {DriverKind} from '../kind.ts';
import {described, obstacleTo} from '../probes.ts';
import {datasetMountedAt} from './mounted.ts';
import {isStream, TELLING} from './stream-header.ts';

export const zfs: DriverKind = {
  requirement: {
    probe: tryCommand,
    hint: 'install zfsutils-linux and load the module (modprobe zfs), or leave --driver away',
  },

  async suits({volumes}) {
    const dataset = datasetMountedAt(dirname(volumes));
    if (dataset === undefined) return undefined;
    const obstacle = await obstacleTo(tryCommand, volumes);
    return obstacle === undefined
      ? {works: true, why: `the store is the dataset ${dataset}`, dataset}
      : {
          works: false,
          why: `zfs does not work for the dataset ${dataset} (${described(obstacle)})`,
          obstacle,
        };
  },

  async open(volumes, {dataset}) {
    if (dataset === undefined) {
      throw new ChrootctlError('BAD_INPUT', 'the store does not say which dataset is its own', {
        hint: 'its format.json must name it, as in "dataset": "tank/chrootctl"',
      });
    }
    const {ZfsDriver} = await import('./driver.ts');
    return new ZfsDriver(volumes, {dataset, owner: dirname(volumes)});
  },

  datasets: {
    mountedAt: datasetMountedAt,
    async prepare(dataset, root, options) {
      const {prepareRoom} = await import('./room.ts');
      await prepareRoom(dataset, root, options);
    },
    async ofStore(root) {
      const {roomsOf} = await import('./room.ts');
      return roomsOf(root);
    },
  },

  stream: {head: TELLING, isStream},
};

/** zfs(8) and the kernel answer. */
async function tryCommand(): Promise<void> {
  const {zfs: command} = await import('./command.ts');
  await command('version');
}
