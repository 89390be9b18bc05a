/**
 * Volumes as overlayfs layers: a clone is an empty upper directory on the layers of its parent, and freezing makes
 * the upper directory a layer where it is. Facts from the kernel's Documentation/filesystems/overlayfs.rst.
 *
 * A frozen layer means the same above whatever layers: it can be merged, moved, copied, and hides or shows what the
 * paths in it say. One that is written to may not be so: overlayfs lets a directory of a lower layer be renamed by
 * noting on an empty one where it was (redirect_dir). Freezing puts there what is to be seen in it.
 */
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError} from '../../errors.ts';
import {bytePath, directoriesIn} from '../trees/bytes.ts';
import {certainHolder, findHolder, layerOf, type Sought} from '../on-disk/busy.ts';
import type {CreateOptions, MountPlan, VolumeHolder} from '../driver.ts';
import {isUpperInUse} from './in-use.ts';
import {DEPTH_LIMIT, layersToMerge, mergeTop} from './flatten.ts';
import {ALIASES, TooDeepToMerge} from './merge.ts';
import {readRecord, type VolumeRecord} from '../on-disk/volume-record.ts';
import {placeVolume} from '../on-disk/placing.ts';
import {makeLockFile} from '../on-disk/removal.ts';
import {VolumesOnDisk, type Settled} from '../on-disk/volumes.ts';
import {forgetReached} from '../trees/reach.ts';
import {notedOn} from '../trees/xattrs.ts';
import {isLayered, makeUpper, overlayPlan} from './upper.ts';

export class OverlayDriver extends VolumesOnDisk {
  readonly name = 'overlay';
  readonly #depthLimit: number;

  /** `depthLimit`: how many layers a frozen volume has at most. */
  constructor(volumesDirectory: string, {depthLimit = DEPTH_LIMIT}: {depthLimit?: number} = {}) {
    super(volumesDirectory);
    this.#depthLimit = depthLimit;
  }

  async create(id: string, {parent, ephemeral = false, limit}: CreateOptions = {}): Promise<void> {
    this.refuseLimit(limit);
    const below = parent === undefined ? undefined : this.frozen(parent);
    const layers = [`${id}/fs`, ...(below?.layers ?? [])];
    const record = {
      chrootctl: 1,
      id,
      driver: this.name,
      state: 'active',
      parent: parent ?? null,
      ephemeral,
      layers,
      ...this.writes.begun(id, {ephemeral}),
    } as const;
    const fill = async (directory: string): Promise<void> => {
      if (below !== undefined) return makeUpper(directory, this.ownLayer(below), below);
      this.makeEmptyLayer(directory);
      mkdirSync(join(directory, 'work'), 0o700);
      makeLockFile(this.volumes);
    };
    await placeVolume(this, record, fill, {durable: !ephemeral});
  }

  /** What lies below a layer only an heir tells; below a first one lies nothing. */
  override layersOf(id: string, parts: readonly string[], isFirst: boolean): readonly string[] | undefined {
    return isFirst ? super.layersOf(id, parts, isFirst) : undefined;
  }

  async plan(id: string, options: {readOnly?: boolean} = {}): Promise<MountPlan> {
    return Promise.resolve(this.#plan(id, options));
  }

  #plan(id: string, options: {readOnly?: boolean}): MountPlan {
    const record = this.volume(id);
    if (isLayered(record)) return overlayPlan(this.volumes, record, options);
    // Private: what is mounted inside must not come back to the layer.
    const layer = this.ownLayer(record);
    const isWritable = record.state === 'active' && options.readOnly !== true;
    return {
      type: 'none',
      source: layer,
      options: isWritable ? ['bind', 'private'] : ['bind', 'ro', 'private'],
      workingDirectory: this.volumes,
      layers: [layer],
    };
  }

  override sought(record: VolumeRecord): Sought {
    const sought = super.sought(record);
    const isLayered = record.state === 'active' && record.layers.length > 1;
    return isLayered ? {...sought, isInUse: () => isUpperInUse(this.volumes, record)} : sought;
  }

  /** Undefined where two mounts do no harm. Of one whose record cannot be read, what tables show is all there is. */
  #soughtOf(id: string): Sought | undefined {
    try {
      const record = readRecord(this.volumes, id);
      return record === undefined || record.layers.length === 1 ? undefined : this.sought(record);
    } catch (error) {
      if (error instanceof ChrootctlError) return layerOf(this.volumes, id);
      throw error;
    }
  }

  /** Two mounts over one upper directory: what comes of that is not defined (overlayfs.rst). */
  async holder(id: string, {patient = true}: {patient?: boolean} = {}): Promise<VolumeHolder | undefined> {
    const sought = this.#soughtOf(id);
    if (sought === undefined) return undefined;
    return patient ? certainHolder(sought) : findHolder([sought]);
  }

  /** Merges layers when there are too many; or its own with what directories that were renamed have from others. */
  protected async settle(record: VolumeRecord): Promise<Settled> {
    try {
      return await this.#settle(record);
    } finally {
      forgetReached();
    }
  }

  async #settle(record: VolumeRecord): Promise<Settled> {
    const own = this.ownLayer(record);
    const root = bytePath(own);
    // Where nothing lies below, there was nothing to rename. A mark where no path leads stays, and clones follow it.
    const directories = record.layers.length > 1 ? await directoriesIn(root) : [root];
    const [{rootAttributes, hasRenamed}] = await Promise.all([
      notedOn(directories),
      this.writes.sync(record),
    ]);
    const count = await layersToMerge(this.volumes, record.layers, this.#depthLimit);
    if (count === 1 && !hasRenamed) return {layers: record.layers, rootAttributes};
    try {
      const merged = await this.building(record, ['merged', ALIASES], () =>
        mergeTop(this.volumes, record.layers, count, `${record.id}/merged`),
      );
      await this.writes.sync(record);
      return {...merged, rootAttributes};
    } catch (error) {
      // The stack stays as it is, which is slower; a layer with renamed directories must not.
      if (!(error instanceof TooDeepToMerge) || hasRenamed) throw error;
      return {layers: record.layers, rootAttributes};
    }
  }
}
