/**
 * Volumes that are whole trees, whatever they share below: mounted by a bind mount, made by copying the parent's. A clone
 * that is thrown away may be an overlay over that.
 */
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import type {ComparisonOptions} from '../trees/changes.ts';
import type {ChangesOptions, CreateOptions, MountPlan} from '../driver.ts';
import {apart, isLayered, makeUpper, overlayPlan} from '../overlay/upper.ts';
import {overlayWorksIn} from '../overlay/works.ts';
import {LOWER, writeRecord, type VolumeRecord} from './volume-record.ts';
import {makeLockFile} from './removal.ts';
import {placeVolume} from './placing.ts';
import {VolumesOnDisk} from './volumes.ts';

export abstract class WholeTrees extends VolumesOnDisk {
  /** Makes the layer of `record`, out of its parent's if it has one. What it returns is added to the record. */
  protected abstract makeLayer(
    record: VolumeRecord,
    parent: VolumeRecord | undefined,
  ): Promise<Partial<VolumeRecord>>;

  /** Whether a clone that is thrown away may be an overlay over its parent's tree, where overlayfs works. */
  protected layersThrownAway(_parent: VolumeRecord): boolean {
    return false;
  }

  /** Gets a clone to the disk that is kept. Where making it does so, there is nothing to do. */
  protected makeDurable(_record: Omit<VolumeRecord, 'state'>): Promise<void> {
    return Promise.resolve();
  }

  async create(id: string, options: CreateOptions = {}): Promise<void> {
    this.refuseLimit(options.limit);
    if (await this.#layered(id, options)) return;
    if (options.ephemeral === true) await this.#make(id, options);
    else await this.writes.watching(() => this.#make(id, options));
  }

  /** Whether it is made as an overlay. */
  async #layered(id: string, {parent, mayBeOverlay}: CreateOptions): Promise<boolean> {
    if (parent === undefined || mayBeOverlay === undefined) return false;
    const below = this.frozen(parent);
    if (!this.layersThrownAway(below) || !mayBeOverlay([this.ownLayer(below)])) return false;
    if (!(await overlayWorksIn(this.volumes))) return false;
    const {name} = this;
    const layers = [`${id}/fs`, ...below.layers];
    await placeVolume(
      this,
      {chrootctl: 1, id, driver: name, state: 'active', parent: below.id, ephemeral: true, layers},
      async (directory) => {
        await makeUpper(directory, this.ownLayer(below), below);
        mkdirSync(join(directory, LOWER));
      },
      {durable: false},
    );
    return true;
  }

  async #make(id: string, {parent, ephemeral = false}: CreateOptions): Promise<void> {
    const from = parent === undefined ? undefined : this.frozen(parent);
    const making = await this.begin(id, {
      chrootctl: 1,
      id,
      driver: this.name,
      parent: parent ?? null,
      ephemeral,
      layers: [`${id}/fs`],
      ...this.writes.begun(id, {ephemeral}),
    });
    try {
      if (from === undefined) makeLockFile(this.volumes);
      const {maker: _maker, ...record} = {...making, ...(await this.makeLayer(making, from))};
      const cloned = from === undefined ? {} : {cloned: Date.now()};
      // The tree before the record that says that it is there.
      if (!ephemeral && from !== undefined) await this.makeDurable(making);
      writeRecord(this.volumes, {...record, ...cloned, state: 'active'}, {durable: !ephemeral});
    } catch (error) {
      await this.discard(id);
      throw error;
    }
  }

  async plan(id: string, {readOnly = false}: {readOnly?: boolean} = {}): Promise<MountPlan> {
    return Promise.resolve(this.#plan(id, readOnly));
  }

  protected override compared(
    from: VolumeRecord,
    to: VolumeRecord,
    {quick = false}: ChangesOptions,
  ): ComparisonOptions {
    if (isLayered(to)) return {};
    const isAkin = to.parent === from.id || to.parent === from.parent;
    return {untouchedBefore: quick && isAkin && to.state === 'active' ? to.cloned : undefined};
  }

  #plan(id: string, readOnly: boolean): MountPlan {
    const record = this.volume(id);
    if (isLayered(record)) {
      const plan = overlayPlan(this.volumes, record, {readOnly});
      return readOnly ? plan : apart(this.volumes, id, plan);
    }
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
}
