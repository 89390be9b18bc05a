/**
 * Clones of which nothing will be kept, made without a word to the pool: overlays over the snapshot of their parent, whose
 * mount waits for no transaction group. What is written to one lies in the store's own room for volumes, as a volume of a
 * driver that keeps them in a directory.
 */
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {errnoOf} from '../../errors.ts';
import {isThere} from '../../system/files.ts';
import type {HeldTree} from '../../system/mount-plan.ts';
import type {PlainRemoval} from '../../system/plain-removal.ts';
import type {CheckOptions, CreateOptions, MountPlan, VolumeInfo, VolumeProblem} from '../driver.ts';
import {layerOf, type Sought} from '../on-disk/busy.ts';
import {checkVolumes, type CheckedRoom, type Finding} from '../on-disk/inspection.ts';
import {placeVolume} from '../on-disk/placing.ts';
import {
  discardVolume,
  goneOf,
  identityOf,
  plainRemovalOf,
  removeVolumes,
  takeOver,
} from '../on-disk/removal.ts';
import {
  directoryOf,
  LOWER,
  readRecord,
  readRecords,
  RECORD,
  writeRecord,
  type VolumeRecord,
} from '../on-disk/volume-record.ts';
import {makeUpper, overlayPlan, upon} from '../overlay/upper.ts';
import {bytePath} from '../trees/bytes.ts';
import {bytesBeyond} from '../trees/copy.ts';
import {deleteLargeTree} from '../trees/delete.ts';
import {notedOn} from '../trees/xattrs.ts';
import {overlayWorksIn} from '../overlay/works.ts';
import {heldSnapshot, mountOf} from './mounting.ts';
import type {Whereabouts} from './whereabouts.ts';

export class ThrownAway implements CheckedRoom {
  readonly name = 'zfs';
  readonly volumes: string;
  readonly #whereabouts: Whereabouts;
  readonly #collect: () => Promise<void>;

  /** @param collect lets go in the pool what was kept for one of them */
  constructor(volumes: string, whereabouts: Whereabouts, collect: () => Promise<void>) {
    this.volumes = volumes;
    this.#whereabouts = whereabouts;
    this.#collect = collect;
  }

  /**
   * Undefined where it cannot be made as one.
   * @returns the snapshot that it lies upon, which is still mounted, for who has to look into it
   * @throws ChrootctlError CONFLICT, NOT_FOUND, BUSY when the parent is not frozen
   */
  async create(
    id: string,
    parent: string,
    mayBeOverlay: NonNullable<CreateOptions['mayBeOverlay']>,
  ): Promise<{origin: string; held: HeldTree} | undefined> {
    if (!(await overlayWorksIn(this.volumes))) return undefined;
    const made = await this.#whereabouts.withFrozen(parent, async (origin) => {
      const held = await heldSnapshot(this.volumes, origin);
      return held && {origin, held};
    });
    try {
      if (mayBeOverlay([made.held.directory])) {
        await this.#make(id, parent, made.held.directory);
        return made;
      }
    } catch (error) {
      await made.held.release();
      throw error;
    }
    await made.held.release();
    return undefined;
  }

  async #make(id: string, parent: string, tree: string): Promise<void> {
    const noted = await notedOn([bytePath(tree)]);
    const [driver, state, layers] = [this.name, 'active', [`${id}/fs`]] as const;
    await placeVolume(
      this,
      {chrootctl: 1, id, driver, state, parent, ephemeral: true, layers},
      async (directory) => {
        await makeUpper(directory, tree, noted);
        mkdirSync(join(directory, LOWER));
      },
      {durable: false},
    );
  }

  /** The volume of that id; undefined where it is none of these. @throws ChrootctlError FAILED */
  find(id: string): VolumeRecord | undefined {
    const record = readRecord(this.volumes, id);
    return record?.state === 'active' ? record : undefined;
  }

  /** Whether there is anything of it, or what is left of its removal. */
  holds(id: string): boolean {
    return isThere(directoryOf(this.volumes, id)) || isThere(goneOf(this.volumes, id));
  }

  /** @param origin the snapshot that it lies upon */
  plan(record: VolumeRecord, origin: string, options: {readOnly?: boolean} = {}): MountPlan {
    const {id, layers} = record;
    const plan = overlayPlan(this.volumes, {...record, layers: [...layers, `${id}/${LOWER}`]}, options);
    const below = mountOf(this.volumes, origin, {readOnly: true});
    return {...upon(this.volumes, id, plan, below), layers: [], contended: true};
  }

  list(): VolumeInfo[] {
    return this.#active().map(({id, parent, ephemeral}) => ({id, state: 'active', parent, ephemeral}));
  }

  /** Those that there are volumes upon; of one that cannot be read, that may be any. */
  parents(): Pick<ReadonlySet<string>, 'has'> {
    const {records, damaged} = readRecords(this.volumes);
    if (damaged.length > 0) return {has: () => true};
    return new Set(records.flatMap(({state, parent}) => (state === 'active' ? (parent ?? []) : [])));
  }

  /**
   * Notes in all that lie upon one of these that it is removed. One that goes meanwhile has given up its name before it
   * looks for the note: either it finds that, or it is not among `parents` any more.
   */
  outlive(removed: ReadonlySet<string>): void {
    for (const record of this.#active()) {
      if (record.parent === null || !removed.has(record.parent)) continue;
      try {
        writeRecord(this.volumes, {...record, outlivesParent: true}, {durable: false});
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error;
      }
    }
  }

  async collectBelow({outlivesParent = false}: VolumeRecord): Promise<void> {
    if (outlivesParent) await this.#collect();
  }

  usage(record: VolumeRecord): Promise<number> {
    return bytesBeyond(record.layers.map((layer) => join(this.volumes, layer)));
  }

  remove(ids: readonly string[]): Promise<void> {
    return removeVolumes(this, ids);
  }

  discard(id: string): Promise<void> {
    return discardVolume(this, id);
  }

  /** Its own record, which is replaced when it comes to outlive its parent, is looked at where it is by then. */
  plainRemoval(id: string): PlainRemoval | undefined {
    const identity = identityOf(join(directoryOf(this.volumes, id), RECORD));
    const plain = plainRemovalOf(this.volumes, id);
    if (plain === undefined || this.find(id)?.outlivesParent === true) return undefined;
    return {...plain, watched: {path: join(goneOf(this.volumes, id), RECORD), identity}};
  }

  takeOver(ids: readonly string[]): void {
    for (const id of ids) takeOver(this.volumes, id);
  }

  check(options: CheckOptions): Promise<VolumeProblem[]> {
    return checkVolumes(this, options);
  }

  deletePart(path: string): Promise<void> {
    return deleteLargeTree(path);
  }

  sought({id}: VolumeRecord): Sought {
    return layerOf(this.volumes, id);
  }

  inspect(): Promise<Finding[]> {
    return Promise.resolve([]);
  }

  /** None of them is ever frozen. */
  layersOf(): undefined {
    return undefined;
  }

  #active(): VolumeRecord[] {
    return readRecords(this.volumes).records.filter(({state}) => state === 'active');
  }
}
