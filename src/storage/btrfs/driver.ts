/**
 * Volumes as btrfs subvolumes: a clone is a snapshot of its parent, and freezing takes a read-only snapshot, which
 * costs the same whatever the size of the root. Before it takes one, the kernel writes what the volume still holds in
 * memory, but it says nothing of what could not be written: a snapshot of that has holes. Only syncfs(2) tells, so it comes
 * after it. Since the frozen state is a subvolume of its own, which the record then names, an active volume is writable at
 * every moment.
 */
import {chmodSync} from 'node:fs';
import {join} from 'node:path';
import {run} from '../../system/programs.ts';
import type {ComparisonOptions} from '../trees/changes.ts';
import type {Finding} from '../on-disk/inspection.ts';
import {syncFileSystem} from '../trees/copy.ts';
import {deleteLargeTree} from '../trees/delete.ts';
import type {ChangesOptions, SnapshotOptions} from '../driver.ts';
import {copyNested, deleteSubvolume, nestedIn} from './nested.ts';
import {goneOf} from '../on-disk/removal.ts';
import {directoryOf, readRecord, type VolumeRecord} from '../on-disk/volume-record.ts';
import {isLayered} from '../overlay/upper.ts';
import {bytePath} from '../trees/bytes.ts';
import {notedOn} from '../trees/xattrs.ts';
import {isThere} from '../../system/files.ts';
import type {PlainRemoval} from '../../system/plain-removal.ts';
import {
  createSubvolume,
  extentsAfter,
  isReadOnly,
  isSubvolume,
  makeReadOnly,
  snapshotSubvolume,
} from './subvolumes.ts';
import type {Settled} from '../on-disk/volumes.ts';
import {WholeTrees} from '../on-disk/whole-trees.ts';

export class BtrfsDriver extends WholeTrees {
  readonly name = 'btrfs';

  /**
   * The bytes of the extents that were written since the volume was cloned, before compression. Metadata is not
   * counted, nor is a reflink to what was there before. Its parent may be gone: then some of it may be shared with
   * nobody, but is not counted either.
   */
  override async usage(id: string): Promise<number> {
    const record = this.volume(id);
    if (isLayered(record)) return super.usage(id);
    if (record.btrfs?.frozen !== undefined) return record.btrfs.frozen.bytes;
    const layer = this.ownLayer(record);
    await syncFileSystem(layer);
    return (await extentsAfter(layer, sinceOf(record))).bytes;
  }

  protected override compared(a: VolumeRecord, b: VolumeRecord, options: ChangesOptions): ComparisonOptions {
    if (isLayered(b)) return super.compared(a, b, options);
    const ancestor = this.#descends(b, a.id) ? a : this.#descends(a, b.id) ? b : undefined;
    return {...super.compared(a, b, options), clonedAfter: ancestor?.btrfs?.frozen?.at};
  }

  /** What takes long with a subvolume, the kernel does later by itself. */
  override async discard(id: string): Promise<void> {
    const places = [directoryOf(this.volumes, id), goneOf(this.volumes, id)].map((path) => join(path, 'fs'));
    const isNative = places.some((path) => isThere(path) && isSubvolume(path));
    await (isNative ? this.remove(id) : super.discard(id));
  }

  /** Only btrfs(8) deletes a subvolume at once. */
  override plainRemoval(id: string): PlainRemoval | undefined {
    return isLayered(this.volume(id)) ? super.plainRemoval(id) : undefined;
  }

  /** A snapshot waits for a disk that is busy. Of older versions nothing tells whether their roots have attributes. */
  protected override layersThrownAway({rootAttributes}: VolumeRecord): boolean {
    return rootAttributes !== undefined;
  }

  override async deletePart(path: string): Promise<void> {
    if (isSubvolume(path)) await deleteSubvolume(path);
    else await deleteLargeTree(path);
  }

  override async inspect(record: VolumeRecord): Promise<Finding[]> {
    if (isLayered(record)) return [];
    const layer = this.ownLayer(record);
    const kind = 'damaged-volume';
    if (!isSubvolume(layer)) return [{kind, what: `volume ${record.id} is not a subvolume`}];
    if (record.state !== 'frozen' || isReadOnly(layer)) return [];
    const what = `volume ${record.id} is frozen, but somebody made it writable`;
    const changed = await changedAfter(layer, record.btrfs?.frozen?.at ?? 0);
    if (changed !== '') return [{kind, what: `${what}, and ${changed} has changed since`}];
    const repair = (): Promise<void> => makeReadOnly(layer);
    return [{kind, what: `${what}; nothing has changed`, fix: 'make it read-only', repair}];
  }

  protected async makeLayer(
    record: VolumeRecord,
    parent: VolumeRecord | undefined,
  ): Promise<Partial<VolumeRecord>> {
    const layer = this.ownLayer(record);
    if (parent === undefined) {
      await createSubvolume(layer);
      chmodSync(layer, 0o755); // Whatever the umask.
    } else await snapshotSubvolume(this.ownLayer(parent), layer);
    return {btrfs: {since: parent?.btrfs?.frozen?.generation ?? 0}};
  }

  protected async settle(record: VolumeRecord): Promise<Settled> {
    return this.building(record, ['frozen', 'merged'], () => this.settleCopy(record, record));
  }

  /** Nested subvolumes become directories, since no snapshot would show what is in them. */
  protected override async settleCopy(
    record: VolumeRecord,
    copy: VolumeRecord,
    amend?: SnapshotOptions['amend'],
  ): Promise<Settled> {
    let from = this.ownLayer(record);
    const layer = `${copy.id}/frozen`;
    const nested = await nestedIn(from);
    if (nested.length > 0 || amend !== undefined) {
      const merged = join(this.volumes, copy.id, 'merged');
      await snapshotSubvolume(from, merged);
      if (nested.length > 0) await copyNested(from, merged, nested);
      await amend?.(merged);
      from = merged;
    }
    const [at, since] = [Date.now(), sinceOf(record)];
    await snapshotSubvolume(from, join(this.volumes, layer), {readOnly: true});
    await this.writes.sync(record);
    const {bytes, generation} = await extentsAfter(join(this.volumes, layer), since);
    const {rootAttributes} = await notedOn([bytePath(join(this.volumes, layer))]);
    return {layers: [layer], rootAttributes, btrfs: {since, frozen: {at, generation, bytes}}};
  }

  #descends({parent}: VolumeRecord, ancestor: string): boolean {
    for (let at = parent; at !== null; at = readRecord(this.volumes, at)?.parent ?? null)
      if (at === ancestor) return true;
    return false;
  }
}

function sinceOf({btrfs}: VolumeRecord): number {
  return btrfs?.since ?? 0;
}

/** A path whose file changed after a time in milliseconds, by the time that nobody can set; '' when there is none. */
async function changedAfter(tree: string, time: number): Promise<string> {
  return run('find', [tree, '-newerct', `@${time / 1000}`, '-print', '-quit'], {isEndable: true});
}
