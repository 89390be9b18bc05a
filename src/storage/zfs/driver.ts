/**
 * Volumes as ZFS datasets: a clone is a clone of a snapshot, and freezing a volume is taking its snapshot, with all that
 * the store wants to be remembered as properties in the same transaction. names.ts draws what is where.
 */
import {ChrootctlError} from '../../errors.ts';
import type {Mount} from '../../system/mounts.ts';
import {stepByStep, withMounted} from '../../system/view.ts';
import {assertMountedNowhere, mountPointsOf, type Sought} from '../on-disk/busy.ts';
import {changesBetween} from '../trees/changes.ts';
import {syncFileSystem} from '../trees/copy.ts';
import type {
  Change,
  ChangesOptions,
  CreateOptions,
  MountPlan,
  SnapshotOptions,
  StorageDriver,
  VolumeInfo,
  VolumeProblem,
} from '../driver.ts';
import type {Note} from '../ledger.ts';
import {locked, makeLockFile} from '../on-disk/removal.ts';
import {checkRoom} from './leftovers.ts';
import {hasDependents, isBusy, isMissing, refusal, tryZfs, zfs} from './command.ts';
import {lackingPermissions} from './delegation.ts';
import {YOUNG_MS} from './half-made.ts';
import {makeDataset, optionsOf} from './making.ts';
import {ZfsLedger} from './pool-ledger.ts';
import {list, placeOf, volumesIn, type Dataset, type Place} from './listing.ts';
import {datasetsIn, missing} from './contents.ts';
import {describeRoom} from './description.ts';
import {written, writtenBy} from './sizes.ts';
import {checkId, liveName, PROPERTY, Room} from './names.ts';
import {perform} from './operations.ts';
import {annotate, freeze} from './transaction.ts';
import {Plan} from './removal-plan.ts';
import {ZfsStreams} from './send.ts';

/** What this process has made itself, it need not ask for. */
interface Made {
  ephemeral: boolean;
  parent: string | null;
  /** The snapshot that it is a clone of. */
  origin: string | undefined;
}

export class ZfsDriver implements StorageDriver {
  readonly name = 'zfs';
  readonly ledger: ZfsLedger;
  readonly streams: ZfsStreams;
  /** The store's room for volumes: nothing is in it but a lock. */
  readonly #directory: string;
  readonly #owner: string | undefined;
  readonly #room: Room;
  readonly #programs: boolean;
  readonly #young: number;
  readonly #made = new Map<string, Made>();

  /**
   * @param directory where the driver may keep a file of its own
   * @param owner root of the store that the dataset must belong to
   * @param programs whether to use channel programs, where they can be run
   * @param young milliseconds for which a dataset that is not whole may be in the making
   */
  constructor(
    directory: string,
    {
      dataset,
      owner,
      programs = true,
      young = YOUNG_MS,
    }: {dataset: string; owner?: string; programs?: boolean; young?: number},
  ) {
    this.#directory = directory;
    this.#owner = owner;
    this.#room = new Room(dataset);
    this.#programs = programs;
    this.#young = young;
    this.ledger = new ZfsLedger(this.#room, {programs});
    this.streams = new ZfsStreams(this.#room, () => this.#all());
  }

  async create(id: string, {parent, ephemeral = false, limit}: CreateOptions = {}): Promise<void> {
    const properties = optionsOf([
      [PROPERTY.volume, id],
      ...(parent === undefined ? [] : [[PROPERTY.parent, parent] as const]),
      // What does not outlive its command need not wait for the disk; freezing it syncs all of it.
      ...(ephemeral
        ? ([
            [PROPERTY.ephemeral, 'on'],
            ['sync', 'disabled'],
          ] as const)
        : []),
      ...(limit === undefined ? [] : [['quota', String(limit)] as const]),
    ]);
    if (parent !== undefined) {
      const origin = await this.#clone(parent, properties, id);
      this.#made.set(id, {ephemeral, parent, origin});
      return;
    }
    makeLockFile(this.#directory);
    await makeDataset(['create', ...properties, this.#room.volume(id)], id);
    this.#made.set(id, {ephemeral, parent: null, origin: undefined});
  }

  /** Nothing can be seen of a dataset before it is mounted. */
  async plan(id: string, {readOnly = false}: {readOnly?: boolean} = {}): Promise<MountPlan> {
    const {source, isFrozen} = await this.#find(id);
    // Reading must not write: an unmount would wait for it.
    const options = ['noatime', ...(readOnly || isFrozen ? ['ro'] : [])];
    const plan = {
      type: 'zfs',
      source,
      options,
      workingDirectory: this.#directory,
      layers: [],
      contended: true,
    };
    // A mount to write waits for a transaction group, and its unmount for another; that of a snapshot for none.
    const origin = this.#made.get(id)?.origin;
    return origin === undefined
      ? plan
      : {...plan, look: {...plan, source: origin, options: ['noatime', 'ro']}};
  }

  async withTree<T>(id: string, work: (directory: string) => Promise<T>): Promise<T> {
    return withMounted(await this.plan(id), work);
  }

  async freeze(id: string, note?: Note): Promise<void> {
    const {source, isFrozen, parent} = await this.#find(id);
    if (isFrozen) {
      if (note !== undefined)
        await annotate(this.#room, {snapshot: source, note}, {programs: this.#programs});
      return;
    }
    await assertMountedNowhere(this.#sought(id));
    await freeze(this.#room, {snapshot: this.#room.frozen(id), id, parent, note}, {programs: this.#programs});
    this.#made.delete(id);
    await this.liftLimit(id);
  }

  /**
   * The snapshot of a session's dataset would keep that dataset for as long as the version lives. So the version gets a
   * dataset of its own, a clone of it.
   */
  async snapshot(id: string, newId: string, {note, amend}: SnapshotOptions = {}): Promise<void> {
    const {source, isFrozen, parent} = await this.#find(id);
    if (isFrozen) throw new ChrootctlError('BUSY', `volume ${id} is frozen: clone it instead`);
    if (await this.#exists(newId)) throw new ChrootctlError('CONFLICT', `volume ${newId} exists already`);
    // What programs have mapped into memory and changed is the file system's to collect.
    await this.withTree(id, syncFileSystem);
    await this.#locked(async () => {
      const base = liveName(source, newId);
      await zfs('snapshot', '-o', `${PROPERTY.volume}=${newId}`, base);
      const properties = optionsOf([
        [PROPERTY.volume, newId],
        [PROPERTY.parent, parent ?? '-'],
      ]);
      await zfs('clone', ...properties, base, this.#room.volume(newId));
    });
    if (amend !== undefined) await this.withTree(newId, amend);
    const snapshot = this.#room.frozen(newId);
    await freeze(this.#room, {snapshot, id: newId, parent, note}, {programs: this.#programs});
  }

  async remove(one: string | readonly string[]): Promise<void> {
    const ids = new Set([one].flat().map(checkId));
    const [id = ''] = ids;
    if (ids.size === 1 && this.#made.get(id)?.ephemeral === true) {
      // The path of `run`: one call, where nothing has come of the volume.
      this.#made.delete(id);
      const {ok, stderr} = await tryZfs(['destroy', this.#room.volume(id)]);
      if (ok || isMissing(stderr)) return;
      if (!isBusy(stderr) && !hasDependents(stderr)) throw refusal('zfs destroy', stderr);
    }
    for (const each of ids) this.#made.delete(each);
    await this.#locked(async () => {
      const present = await this.#all();
      const kept = present.flatMap(({id, removed, ephemeral}) =>
        id !== undefined && ids.has(id) && !removed && !ephemeral ? id : [],
      );
      await assertMountedNowhere(...kept.map((each) => this.#sought(each)));
      const plan = new Plan(present);
      plan.remove(ids);
      await perform(this.#room.pool, plan.operations, {programs: this.#programs});
    });
  }

  /** What takes long, the pool does later by itself. */
  async discard(id: string): Promise<void> {
    await this.remove(id);
  }

  async list(): Promise<VolumeInfo[]> {
    return volumesIn(await this.#all());
  }

  async usage(id: string): Promise<number> {
    return written((await this.#find(id)).source);
  }

  async usages(): Promise<Map<string, number>> {
    return writtenBy(this.#room, await this.#all());
  }

  async *changes(
    from: string,
    to: string,
    {enough, only, quick = false}: ChangesOptions = {},
  ): AsyncIterable<Change> {
    const untouchedBefore = quick ? await this.#cloned(from, to) : undefined;
    const options = {untouchedBefore, enough, only};
    yield* stepByStep<[string, string], Change>(
      (use) => this.withTree(from, (before) => this.withTree(to, (after) => use([before, after]))),
      ([before, after]) => changesBetween([before], [after], options),
    );
  }

  async check({fix = false}: {fix?: boolean} = {}): Promise<VolumeProblem[]> {
    return this.#locked(async () => {
      const datasets = await this.#all();
      const plan = new Plan(datasets);
      plan.collect();
      const problems = checkRoom(this.#room, datasets, plan.operations);
      if (fix) await perform(this.#room.pool, plan.operations, {programs: this.#programs});
      return problems;
    });
  }

  async permissions(): Promise<VolumeProblem[]> {
    return lackingPermissions(this.#room.dataset);
  }

  async describe(): Promise<string> {
    return describeRoom(this.#room);
  }

  /** Gives the snapshot that the clone was made of. */
  async #clone(parent: string, properties: readonly string[], id: string): Promise<string> {
    const attempt = (source: string): Promise<boolean> =>
      makeDataset(['clone', ...properties, source, this.#room.volume(id)], id);
    const origin = this.#room.frozen(parent);
    if (await attempt(origin)) return origin;
    // Not where it was made: removed, never frozen, or handed over to a clone (zfs-promote(8)), as it must not be again
    // while it is looked for.
    return this.#locked(async () => {
      const found = placeOf(await this.#all(), parent);
      if (found?.isFrozen === false) {
        throw new ChrootctlError('BUSY', `volume ${parent} cannot be cloned while it is written to`, {
          hint: 'commit the session first',
        });
      }
      if (found === undefined || !(await attempt(found.source))) throw missing(parent);
      return found.source;
    });
  }

  /** Where a volume is now. @throws ChrootctlError NOT_FOUND */
  async #find(id: string): Promise<Place> {
    const made = this.#made.get(id);
    if (made !== undefined) return {source: this.#room.volume(id), isFrozen: false, parent: made.parent};
    const near = await list(this.#room.volume(id), {depth: 1});
    const place = placeOf(near?.datasets ?? [], id);
    if (place?.isFrozen === true) return place;
    // A snapshot may have been handed over; and where it should be, only its dataset is left then.
    const far = placeOf(await this.#all(), id);
    if (far === undefined) throw missing(id);
    return far;
  }

  /** When the active volume `to` was cloned from `from`, or from the same; milliseconds since the epoch. */
  async #cloned(from: string, to: string): Promise<number | undefined> {
    const {source, isFrozen, parent} = await this.#find(to);
    if (isFrozen || parent === null) return undefined;
    if (parent !== from && parent !== (await this.#find(from)).parent) return undefined;
    return 1000 * Number(await zfs('get', '-Hp', '-o', 'value', 'creation', source));
  }

  async #exists(id: string): Promise<boolean> {
    return placeOf((await list(this.#room.volume(id), {depth: 1}))?.datasets ?? [], id) !== undefined;
  }

  /** A frozen volume is a base for others: a quota on it would forbid it to take over what theirs leave. */
  async liftLimit(id: string): Promise<void> {
    const dataset = this.#room.volume(id);
    const quota = await zfs('get', '-Hp', '-o', 'value', 'quota', dataset);
    if (Number(quota) > 0) await zfs('set', 'quota=none', dataset);
  }

  mountPoints(ids: readonly string[]): Map<string, string> {
    return mountPointsOf(ids.map((id) => this.#sought(id)));
  }

  /** All that is in the room. @throws ChrootctlError NOT_FOUND, FAILED */
  #all(): Promise<Dataset[]> {
    return datasetsIn(this.#room, {owner: this.#owner, directory: this.#directory, young: this.#young});
  }

  #sought(id: string): Sought {
    const dataset = this.#room.volume(id);
    return {id, text: dataset, matches: ({type, source}: Mount) => type === 'zfs' && source === dataset};
  }

  /** One removal or live snapshot at a time: what one has begun is not for the other to take for a leftover. */
  #locked<T>(work: () => Promise<T>): Promise<T> {
    return locked(this.#directory, work);
  }
}
