/**
 * Volumes as overlayfs layers: a clone is an empty upper directory on the layers of its parent, and freezing makes
 * the upper directory a layer where it is. Facts from the kernel's Documentation/filesystems/overlayfs.rst.
 *
 * A frozen layer means the same above whatever layers: it can be merged, moved, copied, and hides or shows what the
 * paths in it say. One that is written to may not be so: overlayfs lets a directory of a lower layer be renamed by
 * noting on an empty one where it was (redirect_dir). Freezing puts there what is to be seen in it.
 */
import {chmodSync, chownSync, mkdirSync, statSync, utimesSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError} from '../../errors.ts';
import {bytePath, directoriesIn} from '../trees/bytes.ts';
import {certainHolder, findHolder, layerOf, type Sought} from '../on-disk/busy.ts';
import {deleteTree} from '../trees/delete.ts';
import type {CreateOptions, MountPlan, VolumeHolder} from '../driver.ts';
import {isUpperInUse} from './in-use.ts';
import {DEPTH_LIMIT, layersToMerge, mergeTop} from './flatten.ts';
import {ALIASES, TooDeepToMerge} from './merge.ts';
import {directoryOf, readRecord, type VolumeRecord} from '../on-disk/volume-record.ts';
import {makeLockFile} from '../on-disk/removal.ts';
import {VolumesOnDisk, type Settled} from '../on-disk/volumes.ts';
import {forgetReached} from '../trees/reach.ts';
import {copyAttributes, notedOn} from '../trees/xattrs.ts';
import {isThere} from '../../system/files.ts';

/** Whatever the kernel's defaults. */
const PLAIN = ['metacopy=off', 'index=off'];
const RENAMES = {made: 'redirect_dir=on', followed: 'redirect_dir=follow', none: 'redirect_dir=nofollow'};

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
      this.makeEmptyLayer(directory);
      mkdirSync(join(directory, 'work'), 0o700);
      if (below === undefined) makeLockFile(this.volumes);
      else await this.#takeRootFrom(below, join(directory, 'fs'));
    };
    await this.makeDirectory(record, fill, {durable: !ephemeral});
  }

  /** What lies below a layer only an heir tells; below a first one lies nothing. */
  override layersOf(id: string, parts: readonly string[], isFirst: boolean): readonly string[] | undefined {
    return isFirst ? super.layersOf(id, parts, isFirst) : undefined;
  }

  /** Paths are relative and short, so that no path needs escaping and the longest stack fits into mount(8)'s page. */
  async plan(id: string, {readOnly = false}: {readOnly?: boolean} = {}): Promise<MountPlan> {
    return Promise.resolve(this.#plan(id, readOnly));
  }

  #plan(id: string, readOnly: boolean): MountPlan {
    const record = this.volume(id);
    const {layers} = record;
    const shown = {workingDirectory: this.volumes, layers: layers.map((layer) => join(this.volumes, layer))};
    const writable = record.state === 'active' && !readOnly;
    const [top = '', ...lower] = layers;
    if (lower.length === 0) {
      // overlayfs wants something below. Private: what is mounted inside must not come back to the layer.
      const options = writable ? ['bind', 'private'] : ['bind', 'ro', 'private'];
      return {...shown, type: 'none', source: join(this.volumes, top), options};
    }
    // The source of an overlay is a mere name: the volume's, by which a mount of it is recognised (busy.ts).
    const source = directoryOf(this.volumes, id);
    if (!writable) {
      const renames = record.state === 'active' ? RENAMES.followed : RENAMES.none;
      const options = ['ro', renames, ...PLAIN, `lowerdir=${layers.join(':')}`];
      return {...shown, type: 'overlay', source, options};
    }
    if (record.ephemeral) this.#allowMountAgain(id);
    const upper = [`lowerdir=${lower.join(':')}`, `upperdir=${top}`, `workdir=${id}/work`];
    const volatile = record.ephemeral ? ['volatile'] : [];
    return {
      ...shown,
      type: 'overlay',
      source,
      options: [RENAMES.made, ...PLAIN, ...volatile, ...upper],
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

  /** overlayfs shows the attributes of the top layer's root directory, so a clone's is made like its parent's. */
  async #takeRootFrom(parent: VolumeRecord, root: string): Promise<void> {
    const from = this.ownLayer(parent);
    const {mode, uid, gid, atime, mtime} = statSync(from);
    if (uid !== 0 || gid !== 0) chownSync(root, uid, gid);
    chmodSync(root, mode & 0o7777);
    if (parent.rootAttributes === true) await copyAttributes(from, root);
    utimesSync(root, atime, mtime);
  }

  /**
   * A volatile overlay refuses to be mounted a second time, because after a crash of the machine its files may be
   * torn. While the machine runs, the page cache has them whole: the mark may go, with all of the work directory,
   * which holds nothing between mounts.
   * @throws ChrootctlError BUSY when the volume is mounted now
   */
  #allowMountAgain(id: string): void {
    const inner = join(directoryOf(this.volumes, id), 'work', 'work');
    if (!isThere(inner)) return;
    const holder = findHolder([layerOf(this.volumes, id)]);
    if (holder !== undefined)
      throw new ChrootctlError('BUSY', `volume ${id} is mounted already at ${holder.mountPoint}`);
    deleteTree(inner);
  }
}
