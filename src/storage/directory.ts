/**
 * Volumes as plain directories, for file systems on which overlayfs cannot work. A clone shares blocks with its
 * parent where the file system can (reflinks: btrfs, xfs), and is a full copy where it cannot.
 */
import {join} from 'node:path';
import {copyTree} from './copy.ts';
import type {CreateOptions, MountPlan} from './driver.ts';
import {writeRecord, type VolumeRecord} from './record.ts';
import {deleteVolumeDirectory} from './removal.ts';
import {makeLockFile} from './removal.ts';
import {VolumesOnDisk} from './volumes.ts';

export class DirectoryDriver extends VolumesOnDisk {
  readonly name = 'directory';

  async create(id: string, {parent, ephemeral = false, limit}: CreateOptions = {}): Promise<void> {
    this.refuseLimit(limit);
    const from = parent === undefined ? undefined : this.frozen(parent);
    const making = this.begin(id, {
      chrootctl: 1,
      id,
      driver: this.name,
      parent: parent ?? null,
      ephemeral,
      layers: [`${id}/fs`],
    });
    try {
      if (from === undefined) {
        makeLockFile(this.volumes);
        this.makeEmptyLayer(join(this.volumes, id));
      } else await copyTree(this.ownLayer(from), this.ownLayer(making));
      const {maker: _maker, ...record} = making;
      writeRecord(this.volumes, {...record, state: 'active'}, {durable: !ephemeral});
    } catch (error) {
      deleteVolumeDirectory(this.volumes, id);
      throw error;
    }
  }

  async plan(id: string, {readOnly = false}: {readOnly?: boolean} = {}): Promise<MountPlan> {
    return Promise.resolve(this.#plan(id, readOnly));
  }

  #plan(id: string, readOnly: boolean): MountPlan {
    const record = this.volume(id);
    const layer = this.ownLayer(record);
    const writable = record.state === 'active' && !readOnly;
    return {
      type: 'none',
      source: layer,
      // Private: what is mounted inside must not come back to the volume itself.
      options: writable ? ['bind', 'private'] : ['bind', 'ro', 'private'],
      workingDirectory: this.volumes,
      layers: [layer],
    };
  }

  protected settle({layers}: VolumeRecord): Promise<readonly string[]> {
    return Promise.resolve(layers);
  }
}
