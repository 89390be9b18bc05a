/**
 * Volumes as overlayfs layers: a clone is an empty upper directory on the layers of its parent, and freezing makes
 * the upper directory a layer where it is. Facts from the kernel's Documentation/filesystems/overlayfs.rst.
 */
import {chmodSync, chownSync, existsSync, mkdirSync, statSync, utimesSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import {findHolder, layerOf} from './busy.ts';
import {syncFileSystem} from './copy.ts';
import {deleteTree} from './delete.ts';
import type {CreateOptions, MountPlan} from './driver.ts';
import {DEPTH_LIMIT, layersToMerge, mergeTop} from './flatten.ts';
import {directoryOf, writeRecord, type VolumeRecord} from './record.ts';
import {deleteVolumeDirectory} from './removal.ts';
import {makeLockFile} from './removal.ts';
import {VolumesOnDisk, type Settled} from './volumes.ts';
import {copyAttributes, hasAttributes} from './xattrs.ts';

/** Layers depend on nothing but themselves, whatever the kernel's defaults: a layer can be merged, moved, copied. */
const SELF_CONTAINED = ['redirect_dir=off', 'metacopy=off', 'index=off'];

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
    const directory = this.makeDirectory(id);
    if (below === undefined) makeLockFile(this.volumes);
    try {
      this.makeEmptyLayer(directory);
      mkdirSync(join(directory, 'work'), 0o700);
      if (below !== undefined) await this.#takeRootFrom(below, join(directory, 'fs'));
      const layers = [`${id}/fs`, ...(below?.layers ?? [])];
      const record = {
        chrootctl: 1,
        id,
        driver: this.name,
        state: 'active',
        parent: parent ?? null,
        ephemeral,
        layers,
      } as const;
      writeRecord(this.volumes, record, {durable: !ephemeral});
    } catch (error) {
      await deleteVolumeDirectory(this, id);
      throw error;
    }
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
      const options = ['ro', ...SELF_CONTAINED, `lowerdir=${layers.join(':')}`];
      return {...shown, type: 'overlay', source, options};
    }
    if (record.ephemeral) this.#allowMountAgain(id);
    const upper = [`lowerdir=${lower.join(':')}`, `upperdir=${top}`, `workdir=${id}/work`];
    const volatile = record.ephemeral ? ['volatile'] : [];
    return {
      ...shown,
      type: 'overlay',
      source,
      options: [...SELF_CONTAINED, ...volatile, ...upper],
    };
  }

  /** Merges layers when there are too many. */
  protected async settle(record: VolumeRecord): Promise<Settled> {
    const count = layersToMerge(this.volumes, record.layers, this.#depthLimit);
    const merge = (): Promise<string[]> =>
      mergeTop(this.volumes, record.layers, count, `${record.id}/merged`);
    const layers = count === 1 ? record.layers : await this.building(record, ['merged'], merge);
    const root = join(this.volumes, layers[0] ?? '');
    const [rootAttributes] = await Promise.all([hasAttributes(root), syncFileSystem(root)]);
    return {layers, rootAttributes};
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
    if (!existsSync(inner)) return;
    const holder = findHolder(layerOf(this.volumes, id));
    if (holder !== undefined)
      throw new ChrootctlError('BUSY', `volume ${id} is mounted already at ${holder.mountPoint}`);
    deleteTree(inner);
  }
}
