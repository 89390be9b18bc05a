/**
 * Volumes as plain directories, for file systems on which overlayfs cannot work. A clone shares blocks with its
 * parent where the file system can (reflinks: btrfs, xfs), and is a full copy where it cannot.
 */
import {join} from 'node:path';
import {seesEverybody} from '../../system/owners.ts';
import type {SnapshotOptions} from '../driver.ts';
import {isMountedElsewhere, layerOf} from '../on-disk/busy.ts';
import {copyTree, refuseUncopyable} from '../trees/copy.ts';
import type {VolumeRecord} from '../on-disk/volume-record.ts';
import type {Settled} from '../on-disk/volumes.ts';
import {WholeTrees} from '../on-disk/whole-trees.ts';

export class DirectoryDriver extends WholeTrees {
  readonly name = 'directory';

  protected async makeLayer(
    record: VolumeRecord,
    parent: VolumeRecord | undefined,
  ): Promise<Partial<VolumeRecord>> {
    if (parent === undefined) this.makeEmptyLayer(join(this.volumes, record.id));
    else await copyTree(this.ownLayer(parent), this.ownLayer(record));
    return {};
  }

  /**
   * What is frozen is the tree itself. Who stands in a copy of its mount, in another mount namespace, keeps it when that
   * goes with ours, and is in no table then.
   */
  async mayBeHeld(id: string): Promise<boolean> {
    return !seesEverybody() || isMountedElsewhere(layerOf(this.volumes, id));
  }

  protected override async makeDurable(record: VolumeRecord): Promise<void> {
    await this.writes.sync(record);
  }

  protected override async settleCopy(
    record: VolumeRecord,
    ...rest: [copy: VolumeRecord, amend?: SnapshotOptions['amend']]
  ): Promise<Settled> {
    await refuseUncopyable(this.ownLayer(record));
    return super.settleCopy(record, ...rest);
  }

  protected async settle(record: VolumeRecord): Promise<Settled> {
    // A version is there to be cloned.
    await refuseUncopyable(this.ownLayer(record));
    await this.writes.sync(record);
    return {layers: record.layers};
  }
}
