/**
 * Volumes as ZFS datasets: a clone is a clone of a snapshot, and freezing a volume is taking its snapshot, with all that
 * the store wants to be remembered as properties in the same transaction. names.ts draws what is where.
 */
import {ChrootctlError} from '../../errors.ts';
import type {HeldTree} from '../../system/mount-plan.ts';
import type {Mount} from '../../system/mounts.ts';
import type {PlainRemoval} from '../../system/plain-removal.ts';
import {holdMounted, stepByStep, withMounted} from '../../system/view.ts';
import {assertMountedNowhere, mountPointsOf, type Sought} from '../on-disk/busy.ts';
import {changesBetween} from '../trees/changes.ts';
import {syncFileSystem} from '../trees/copy.ts';
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
import {locked, makeLockFile} from '../on-disk/removal.ts';
import type {VolumeRecord} from '../on-disk/volume-record.ts';
import {checkRoom} from './leftovers.ts';
import {hasDependents, isBusy, isMissing, refusal, tryZfs, zfs} from './command.ts';
import {lackingPermissions} from './delegation.ts';
import {YOUNG_MS} from './half-made.ts';
import {makeDataset, optionsOf} from './making.ts';
import {mountOf} from './mounting.ts';
import {ZfsLedger} from './pool-ledger.ts';
import {volumesIn, type Place} from './listing.ts';
import {describeRoom} from './description.ts';
import {written, writtenBy} from './sizes.ts';
import {checkId, liveName, PROPERTY, Room} from './names.ts';
import {perform} from './operations.ts';
import {annotate, freeze} from './transaction.ts';
import {Plan} from './removal-plan.ts';
import {ZfsStreams} from './send.ts';
import {ThrownAway} from './thrown-away.ts';
import {Whereabouts} from './whereabouts.ts';

/** What this process has made itself, it need not ask for. */
interface Made {
  ephemeral: boolean;
  parent: string | null;
  /** The snapshot that it is a clone of, or lies upon. */
  origin: string | undefined;
  isOverlay: boolean;
}

export class ZfsDriver implements StorageDriver {
  readonly name = 'zfs';
  readonly ledger: ZfsLedger;
  readonly streams: ZfsStreams;
  /** The store's room for volumes: in it are a lock, and those that are thrown away. */
  readonly #directory: string;
  readonly #room: Room;
  readonly #programs: boolean;
  readonly #whereabouts: Whereabouts;
  readonly #thrownAway: ThrownAway;
  readonly #made = new Map<string, Made>();
  /** What is mounted for us: volumes of the pool, and what overlays lie upon until somebody has looked into it. */
  readonly #held = new Map<string, HeldTree>();

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
    this.#room = new Room(dataset);
    this.#programs = programs;
    this.#whereabouts = new Whereabouts(this.#room, {owner, directory, young});
    this.#thrownAway = new ThrownAway(directory, this.#whereabouts, () => this.#removeFromPool(new Set()));
    this.ledger = new ZfsLedger(this.#room, {programs});
    this.streams = new ZfsStreams(this.#room, () => this.#whereabouts.all());
  }

  async create(
    id: string,
    {parent, ephemeral = false, limit, mayBeOverlay}: CreateOptions = {},
  ): Promise<void> {
    if (parent !== undefined && mayBeOverlay !== undefined) {
      const made = await this.#thrownAway.create(id, parent, mayBeOverlay);
      if (made !== undefined) {
        this.#made.set(id, {ephemeral: true, parent, origin: made.origin, isOverlay: true});
        this.#held.set(id, made.held);
        return;
      }
    }
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
      this.#made.set(id, {ephemeral, parent, origin, isOverlay: false});
      return;
    }
    makeLockFile(this.#directory);
    await makeDataset(['create', ...properties, this.#room.volume(id)], id);
    this.#made.set(id, {ephemeral, parent: null, origin: undefined, isOverlay: false});
  }

  /** Nothing can be seen of a dataset before it is mounted. */
  async plan(id: string, {readOnly = false}: {readOnly?: boolean} = {}): Promise<MountPlan> {
    const {origin} = this.#made.get(id) ?? {};
    const held = this.#held.get(id);
    const overlay = this.#overlay(id);
    if (overlay !== undefined) {
      const below = origin ?? (await this.#whereabouts.snapshotOf(overlay.parent ?? ''));
      const plan = this.#thrownAway.plan(overlay, below, {readOnly});
      return held === undefined ? plan : {...plan, held};
    }
    const {source, isFrozen} = await this.#find(id);
    const plan = mountOf(this.#directory, source, {readOnly: readOnly || isFrozen});
    if (held !== undefined) return {...plan, held: {...held, release: () => Promise.resolve()}};
    // The end of a mount to write waits for a transaction group; that of a snapshot's for none.
    return origin === undefined ? plan : {...plan, look: mountOf(this.#directory, origin, {readOnly: true})};
  }

  async hold(id: string): Promise<() => Promise<void>> {
    this.#held.set(id, await holdMounted(await this.plan(id)));
    return () => this.#letGo(id);
  }

  async withTree<T>(id: string, work: (directory: string) => Promise<T>): Promise<T> {
    const held = this.#isOverlay(id) ? undefined : this.#held.get(id);
    return held === undefined ? withMounted(await this.plan(id), work) : work(held.directory);
  }

  async freeze(id: string, note?: Note): Promise<void> {
    const {source, isFrozen, parent} = await this.#find(id);
    if (isFrozen) {
      if (note !== undefined)
        await annotate(this.#room, {snapshot: source, note}, {programs: this.#programs});
      return;
    }
    const held = this.#held.get(id);
    // What programs have mapped into memory and changed is the file system's to collect, at an unmount too.
    if (held !== undefined) await syncFileSystem(held.directory);
    await assertMountedNowhere({...this.#sought(id), except: held?.pid});
    await freeze(this.#room, {snapshot: this.#room.frozen(id), id, parent, note}, {programs: this.#programs});
    this.#made.delete(id);
    // After that, it has nothing left to wait for.
    await this.#letGo(id);
    await this.liftLimit(id);
  }

  /**
   * The snapshot of a session's dataset would keep that dataset for as long as the version lives. So the version gets a
   * dataset of its own, a clone of it.
   */
  async snapshot(id: string, newId: string, {note, amend}: SnapshotOptions = {}): Promise<void> {
    const {source, isFrozen, parent} = await this.#find(id);
    if (isFrozen) throw new ChrootctlError('BUSY', `volume ${id} is frozen: clone it instead`);
    if (await this.#whereabouts.exists(newId))
      throw new ChrootctlError('CONFLICT', `volume ${newId} exists already`);
    // What programs have mapped into memory and changed is the file system's to collect.
    await this.withTree(id, syncFileSystem);
    await this.#locked(async () => {
      const base = liveName(source, newId);
      await zfs('snapshot', '-o', `${PROPERTY.volume}=${newId}`, base);
      const properties = optionsOf([
        [PROPERTY.volume, newId],
        [PROPERTY.parent, parent ?? '-'],
        ['sync', 'disabled'],
      ]);
      await zfs('clone', ...properties, base, this.#room.volume(newId));
    });
    if (amend === undefined) return this.freeze(newId, note);
    const letGo = await this.hold(newId);
    try {
      await this.withTree(newId, amend);
      await this.freeze(newId, note);
    } finally {
      await letGo();
    }
  }

  async remove(one: string | readonly string[]): Promise<void> {
    const ids = [one].flat().map(checkId);
    const overlays = ids.filter((id) => this.#isOverlay(id));
    for (const id of overlays) await this.#forget(id);
    if (overlays.length > 0) await this.#thrownAway.remove(overlays);
    if (ids.length > overlays.length)
      await this.#removeFromPool(new Set(ids.filter((id) => !overlays.includes(id))));
  }

  /** What takes long, the pool does later by itself. */
  async discard(id: string): Promise<void> {
    if (!this.#isOverlay(checkId(id))) return this.remove(id);
    await this.#forget(id);
    await this.#thrownAway.discard(id);
  }

  plainRemoval(id: string): PlainRemoval | undefined {
    return this.#isOverlay(id) ? this.#thrownAway.plainRemoval(id) : undefined;
  }

  takeOver(...ids: string[]): Promise<void> {
    this.#thrownAway.takeOver(ids.filter((id) => this.#isOverlay(id)));
    return Promise.resolve();
  }

  async #removeFromPool(ids: ReadonlySet<string>): Promise<void> {
    for (const each of ids) await this.#letGo(each);
    const [id = ''] = ids;
    if (ids.size === 1 && this.#made.get(id)?.ephemeral === true) {
      // The path of `run`: one call, where nothing has come of the volume.
      this.#made.delete(id);
      const {ok, stderr} = await tryZfs(['destroy', this.#room.volume(id)]);
      if (ok || isMissing(stderr)) return;
      if (!isBusy(stderr) && !hasDependents(stderr)) throw refusal('zfs destroy', stderr);
    }
    for (const [made, {parent}] of [...this.#made])
      if (ids.has(made) || (parent !== null && ids.has(parent))) await this.#forget(made);
    await this.#locked(async () => {
      const present = await this.#whereabouts.all();
      const kept = present.flatMap(({id, removed, ephemeral}) =>
        id !== undefined && ids.has(id) && !removed && !ephemeral ? id : [],
      );
      await assertMountedNowhere(...kept.map((each) => this.#sought(each)));
      if (ids.size > 0) this.#thrownAway.outlive(ids);
      const plan = new Plan(present, this.#thrownAway.parents());
      plan.remove(ids);
      await perform(this.#room.pool, plan.operations, {programs: this.#programs});
    });
  }

  async list(): Promise<VolumeInfo[]> {
    return [...volumesIn(await this.#whereabouts.all()), ...this.#thrownAway.list()];
  }

  async usage(id: string): Promise<number> {
    const overlay = this.#overlay(id);
    return overlay === undefined ? written((await this.#find(id)).source) : this.#thrownAway.usage(overlay);
  }

  async usages(): Promise<Map<string, number>> {
    return writtenBy(this.#room, await this.#whereabouts.all());
  }

  async *changes(
    from: string,
    to: string,
    {enough, only, quick = false}: ChangesOptions = {},
  ): AsyncIterable<Change> {
    const untouchedBefore =
      quick && !this.#isOverlay(to) ? await this.#whereabouts.cloned(from, to) : undefined;
    const options = {untouchedBefore, enough, only};
    yield* stepByStep<[string, string], Change>(
      (use) => this.withTree(from, (before) => this.withTree(to, (after) => use([before, after]))),
      ([before, after]) => changesBetween([before], [after], options),
    );
  }

  async check(options: CheckOptions = {}): Promise<VolumeProblem[]> {
    const thrownAway = await this.#thrownAway.check(options);
    return this.#locked(async () => {
      const datasets = await this.#whereabouts.all();
      const plan = new Plan(datasets, this.#thrownAway.parents());
      plan.collect();
      const problems = checkRoom(this.#room, datasets, plan.operations);
      if (options.fix === true) await perform(this.#room.pool, plan.operations, {programs: this.#programs});
      return [...thrownAway, ...problems];
    });
  }

  async permissions(): Promise<VolumeProblem[]> {
    return lackingPermissions(this.#room.dataset);
  }

  async describe(): Promise<string> {
    return describeRoom(this.#room);
  }

  async #forget(id: string): Promise<void> {
    this.#made.delete(id);
    await this.#letGo(id);
  }

  async #letGo(id: string): Promise<void> {
    const held = this.#held.get(id);
    this.#held.delete(id);
    await held?.release();
  }

  /** What is known of those that this process has made; of others, that is to be asked. */
  #isOverlay(id: string): boolean {
    return this.#made.get(id)?.isOverlay ?? this.#thrownAway.holds(id);
  }

  #overlay(id: string): VolumeRecord | undefined {
    return this.#isOverlay(id) ? this.#thrownAway.find(id) : undefined;
  }

  /** Gives the snapshot that the clone was made of. */
  #clone(parent: string, properties: readonly string[], id: string): Promise<string> {
    return this.#whereabouts.withFrozen(parent, async (origin) => {
      const isMade = await makeDataset(['clone', ...properties, origin, this.#room.volume(id)], id);
      return isMade ? origin : undefined;
    });
  }

  /** Where a volume of the pool is now. @throws ChrootctlError NOT_FOUND */
  async #find(id: string): Promise<Place> {
    const made = this.#made.get(id);
    return made === undefined
      ? this.#whereabouts.find(id)
      : {source: this.#room.volume(id), isFrozen: false, parent: made.parent};
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

  #sought(id: string): Sought {
    const dataset = this.#room.volume(id);
    return {id, text: dataset, matches: ({type, source}: Mount) => type === 'zfs' && source === dataset};
  }

  /** One removal or live snapshot at a time: what one has begun is not for the other to take for a leftover. */
  #locked<T>(work: () => Promise<T>): Promise<T> {
    return locked(this.#directory, work);
  }
}
