/**
 * What drivers that keep volumes in a directory have in common: a volume is a directory `ID/` with its record, and
 * its layer.
 *
 *     volumes/              0700
 *     ├── .lock             held while removed volumes are collected
 *     └── 4t8xk2m9qa/       0700
 *         ├── volume.json   the record, which says what of the rest is the volume
 *         ├── fs/           the volume's own layer; carries the attributes of its root directory
 *         ├── work/         while the volume is active or being made; overlayfs' own
 *         ├── merged/       overlay: in place of fs/ once layers below, or what was renamed, were merged into it
 *         └── frozen/       btrfs: in place of fs/ once the volume is frozen
 */
import {chmodSync, mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError} from '../../errors.ts';
import {self} from '../../system/identity.ts';
import {withMounted} from '../../system/view.ts';
import {assertMountedNowhere, layerOf, mountPointsOf, type Sought} from './busy.ts';
import {changesBetween, type ComparisonOptions} from '../trees/changes.ts';
import {checkVolumes, type CheckedRoom, type Finding} from './inspection.ts';
import {Writes} from './writes.ts';
import {bytesBeyond, copyTree} from '../trees/copy.ts';
import {deleteLargeTree} from '../trees/delete.ts';
import {placeVolume} from './placing.ts';
import type {
  Change,
  ChangesOptions,
  CheckOptions,
  CreateOptions,
  MountPlan,
  SnapshotOptions,
  StorageDriver,
  VolumeInfo,
  VolumeProblem,
} from '../driver.ts';
import type {Note} from '../ledger.ts';
import type {DriverName} from '../registry.ts';
import {
  directoryOf,
  readRecord,
  readRecords,
  unusedParts,
  writeRecord,
  type VolumeRecord,
} from './volume-record.ts';
import type {PlainRemoval} from '../../system/plain-removal.ts';
import {discardVolume, plainRemovalOf, removeVolumes, takeOver} from './removal.ts';

/** What a record says anew when its volume is frozen. */
export type Settled = Pick<VolumeRecord, 'layers'> & Partial<VolumeRecord>;

export abstract class VolumesOnDisk implements StorageDriver, CheckedRoom {
  abstract readonly name: DriverName;
  /** Absolute path of the directory that the volumes lie in; made when the first volume is. */
  readonly volumes: string;
  /** What is written in the room, on its way to the disk. */
  protected readonly writes: Writes;

  constructor(volumesDirectory: string) {
    this.volumes = volumesDirectory;
    this.writes = new Writes(volumesDirectory);
  }

  abstract create(id: string, options?: CreateOptions): Promise<void>;
  abstract plan(id: string, options?: {readOnly?: boolean}): Promise<MountPlan>;
  /** Makes an active volume's own layer ready to be frozen, and durable: all of its data is on the disk afterwards. */
  protected abstract settle(record: VolumeRecord): Promise<Settled>;

  /** The same for a copy of an active volume's layer, in the directory of `copy`; the layer stays as it is. */
  protected async settleCopy(
    record: VolumeRecord,
    copy: VolumeRecord,
    amend?: SnapshotOptions['amend'],
  ): Promise<Settled> {
    this.writes.areWatched(copy.id);
    await copyTree(this.ownLayer(record), this.ownLayer(copy));
    await amend?.(this.ownLayer(copy));
    await this.writes.sync(record);
    return this.settle(copy);
  }

  /** What the mounts of an active volume look like. */
  sought({id}: VolumeRecord): Sought {
    return layerOf(this.volumes, id);
  }

  mountPoints(ids: readonly string[]): Map<string, string> {
    return mountPointsOf(ids.map((id) => layerOf(this.volumes, id)));
  }

  watch(): () => void {
    return this.writes.watch();
  }

  deletePart(path: string): Promise<void> {
    return deleteLargeTree(path);
  }

  layersOf(id: string, parts: readonly string[], _isFirst: boolean): readonly string[] | undefined {
    return parts.length === 1 ? [`${id}/${parts[0] ?? ''}`] : undefined;
  }

  inspect(_record: VolumeRecord): Promise<Finding[]> {
    return Promise.resolve([]);
  }

  async withTree<T>(id: string, work: (directory: string) => Promise<T>): Promise<T> {
    const record = this.volume(id);
    // A single layer that may be written is the tree itself: nothing to mount.
    if (record.state === 'active' && record.layers.length === 1) return work(this.ownLayer(record));
    return withMounted(await this.plan(id), work);
  }

  async freeze(id: string, note?: Note): Promise<void> {
    const record = this.volume(id);
    if (record.state === 'active') {
      await assertMountedNowhere(this.sought(record));
      this.writes.assertNothingLost(record);
      await this.writes.watching(async () => {
        this.seal(record, await this.settle(record), note);
      });
    } else if (note !== undefined && note.memo !== record.memo) {
      // For a commit that failed before, or for none.
      writeRecord(this.volumes, {...record, memo: note.memo}, {durable: true});
    }
    await this.tidy(this.volume(id));
  }

  async snapshot(id: string, newId: string, {amend, note}: SnapshotOptions = {}): Promise<void> {
    const record = this.volume(id);
    if (record.state !== 'active')
      throw new ChrootctlError('BUSY', `volume ${id} is frozen: clone it instead`);
    this.writes.assertNothingLost(record);
    const copy = await this.begin(newId, {...record, layers: [`${newId}/fs`, ...record.layers.slice(1)]});
    try {
      await this.writes.watching(async () => {
        this.seal(copy, await this.settleCopy(record, copy, amend), note);
      });
    } catch (error) {
      await this.discard(newId);
      throw error;
    }
    await this.tidy(this.volume(newId));
  }

  async remove(ids: string | readonly string[]): Promise<void> {
    await removeVolumes(this, [ids].flat());
  }

  async discard(id: string): Promise<void> {
    await discardVolume(this, id);
  }

  plainRemoval(id: string): PlainRemoval | undefined {
    return plainRemovalOf(this.volumes, id);
  }

  takeOver(...ids: string[]): Promise<void> {
    for (const id of ids) takeOver(this.volumes, id);
    return Promise.resolve();
  }

  list(): Promise<VolumeInfo[]> {
    // A damaged record is check()'s to report: one bad volume does not hide the others.
    const volumes = readRecords(this.volumes).records.flatMap(({id, state, parent, ephemeral}) =>
      state === 'active' || state === 'frozen' ? [{id, state, parent, ephemeral}] : [],
    );
    return Promise.resolve(volumes);
  }

  async usage(id: string): Promise<number> {
    const {layers, parent, linked = []} = this.volume(id);
    // What a merged layer shares with layers of the parent is the parent's.
    const inherited = parent === null ? [] : (readRecord(this.volumes, parent)?.layers ?? []);
    const shared = inherited.filter((layer) => linked.includes(layer));
    return bytesBeyond([...shared, layers[0] ?? ''].map((layer) => join(this.volumes, layer)));
  }

  changes(from: string, to: string, options: ChangesOptions = {}): AsyncIterable<Change> {
    const [a, b] = [this.volume(from), this.volume(to)];
    const paths = ({layers}: VolumeRecord): string[] => layers.map((layer) => join(this.volumes, layer));
    const {enough, only} = options;
    return changesBetween(paths(a), paths(b), {...this.compared(a, b, options), enough, only});
  }

  /** What is known of two volumes that makes it faster to compare them. */
  protected compared(_from: VolumeRecord, _to: VolumeRecord, _options: ChangesOptions): ComparisonOptions {
    return {};
  }

  memos(): Promise<Map<string, string>> {
    const frozen = readRecords(this.volumes).records.filter(({state}) => state === 'frozen');
    return Promise.resolve(new Map(frozen.flatMap(({id, memo}) => (memo === undefined ? [] : [[id, memo]]))));
  }

  async check(options: CheckOptions = {}): Promise<VolumeProblem[]> {
    return checkVolumes(this, options);
  }

  /** @throws ChrootctlError NOT_FOUND */
  protected volume(id: string): VolumeRecord {
    const record = readRecord(this.volumes, id);
    if (record?.state === 'active' || record?.state === 'frozen') return record;
    throw new ChrootctlError('NOT_FOUND', `there is no volume ${id}`, {
      hint: 'chrootctl doctor compares the records with what is on disk',
    });
  }

  /** @throws ChrootctlError NOT_FOUND, BUSY when it is not frozen */
  protected frozen(id: string): VolumeRecord {
    const record = this.volume(id);
    if (record.state === 'frozen') return record;
    throw new ChrootctlError('BUSY', `volume ${id} cannot be cloned while it is written to`, {
      hint: 'commit the session first',
    });
  }

  /** @throws ChrootctlError FAILED */
  protected refuseLimit(limit: number | undefined): void {
    if (limit === undefined) return;
    throw new ChrootctlError('FAILED', `the ${this.name} driver cannot limit what is written to a session`, {
      hint: 'leave --storage-limit away, or use a store with the zfs driver',
    });
  }

  /** Makes the layer of an empty volume: a root directory as every system has it, whatever the umask. */
  protected makeEmptyLayer(directory: string): void {
    mkdirSync(join(directory, 'fs'));
    chmodSync(join(directory, 'fs'), 0o755);
  }

  /** A directory for a volume that takes a while to make; no volume yet, and recognised if we die meanwhile. */
  protected async begin(id: string, like: Omit<VolumeRecord, 'state' | 'maker'>): Promise<VolumeRecord> {
    const record: VolumeRecord = {...like, id, state: 'making', maker: self()};
    const fill = (directory: string): void => mkdirSync(join(directory, 'work'), 0o700);
    await placeVolume(this, record, fill, {durable: false});
    return record;
  }

  protected ownLayer({layers}: VolumeRecord): string {
    return join(this.volumes, layers[0] ?? '');
  }

  /**
   * Runs `work`, which builds a layer for an active volume beside the one that it has. The record decides which of
   * them is the volume: until it names the new one, that is a leftover. The mark keeps check() in other processes
   * from taking it for one meanwhile.
   */
  protected async building<T>(record: VolumeRecord, parts: string[], work: () => Promise<T>): Promise<T> {
    const directory = directoryOf(this.volumes, record.id);
    const clear = async (): Promise<void> => {
      for (const part of parts) await this.deletePart(join(directory, part));
    };
    await clear();
    writeRecord(this.volumes, {...record, maker: self()}, {durable: false});
    try {
      return await work();
    } catch (error) {
      await clear();
      writeRecord(this.volumes, record, {durable: false});
      throw error;
    }
  }

  /** The data is on the disk before the record says frozen, and the record when this returns. */
  private seal(record: VolumeRecord, settled: Settled, note: Note | undefined): void {
    const {maker: _maker, ...rest} = record;
    const memo = note === undefined ? {} : {memo: note.memo};
    const frozen: VolumeRecord = {...rest, ...settled, ...memo, state: 'frozen', ephemeral: false};
    writeRecord(this.volumes, frozen, {durable: true});
  }

  /** Deletes what a frozen volume has no more use for. A crash before this leaves leftovers, no damage. */
  private async tidy(record: VolumeRecord): Promise<void> {
    const directory = directoryOf(this.volumes, record.id);
    for (const part of unusedParts(record)) await this.deletePart(join(directory, part));
  }
}
