/**
 * The contract between the store and what holds root file systems.
 *
 * A driver keeps **volumes**. A volume has an opaque id from birth, which never changes and never comes to mean
 * something else; what a volume is *for* (a version of an image, the root of a session) is written in the store's
 * records, which a driver never reads. A volume is in one of two states:
 *
 *     create(id) ──────────────▶ active ── freeze(id) ──▶ frozen ── remove(id) ──▶ gone
 *     create(id, {parent}) ────▶   │                        ▲
 *                                  ├── snapshot(id, newId) ─┘ (another volume; this one stays active)
 *                                  └── remove(id) ──▶ gone
 *
 * Guarantees that every driver gives, and that test/contract checks for all of them:
 *
 * - A frozen volume never changes again, whatever happens to its parent, its heirs or the machine.
 * - When `freeze` or `snapshot` has returned, contents and state survive a power cut.
 * - A clone is isolated: what is written to it is seen nowhere else.
 * - Contents are kept exactly: odd names, hard links, device nodes, xattrs, sparse files, modes with setuid bits,
 *   owners and times.
 * - `remove` may be interrupted anywhere and be called again, and for a volume that never was; heirs of a removed
 *   volume keep working.
 * - Calls for different ids may run at the same time in different processes.
 */
import type {PlainRemoval} from '../system/plain-removal.ts';
import type {MountPlan} from '../system/mount-plan.ts';
import type {Ledger, Note} from './ledger.ts';
import type {VolumeStreams} from './stream-contract.ts';

export type {MountPlan} from '../system/mount-plan.ts';

export interface StorageDriver {
  /** As the registry has it. */
  readonly name: string;
  /** Where the driver's storage can remember the store's records too, so that they can be made anew from it. */
  readonly ledger?: Ledger;
  /** Where volumes can be sent to other stores of the same driver as they are. */
  readonly streams?: VolumeStreams;

  /**
   * Makes an active volume: empty, or a clone of a frozen one. Takes the same time however large the parent is
   * (except for `directory`, which copies where the file system cannot share blocks).
   * With `ephemeral` the volume need not survive the machine, only (if it is frozen after all) its freezing.
   * @throws ChrootctlError NOT_FOUND when the parent does not exist, BUSY when it is not frozen,
   *   CONFLICT when `id` is taken, FAILED for a `limit` where the driver cannot keep to one.
   */
  create(id: string, options?: CreateOptions): Promise<void>;

  /**
   * How to mount the volume, as data, so that a sandbox can do it in a mount namespace of its own. An active volume
   * is mounted writable unless `readOnly` is asked for, a frozen one always read-only.
   * An active volume is mounted at one place at a time.
   * @throws ChrootctlError NOT_FOUND
   */
  plan(id: string, options?: {readOnly?: boolean}): Promise<MountPlan>;

  /**
   * Runs `work` with a directory at which the volume's tree can be read and, while it is active, written; for
   * filling, packing and comparing. The directory is private to the call and gone afterwards, also after a crash.
   * @throws ChrootctlError NOT_FOUND
   */
  withTree<T>(id: string, work: (directory: string) => Promise<T>): Promise<T>;

  /**
   * Keeps an active volume mounted where only this process sees it, until what this gives is called, or the volume is frozen
   * or removed: `withTree` and whoever looks into the root need not mount it each time, and for its freezing that is not
   * mounted. For who is going to do several of these, where a mount and its end are costly.
   */
  hold?(id: string): Promise<() => Promise<void>>;

  /**
   * Makes an active volume, which must be mounted nowhere, immutable. Costs nothing per file of its parent (except
   * for `overlay`, with those in directories that were renamed).
   * Idempotent. With a ledger, the note is taken in the same transaction.
   * @throws ChrootctlError NOT_FOUND; CONFLICT when the ledger has gone on without the store's records
   */
  freeze(id: string, note?: Note): Promise<void>;

  /**
   * Makes the frozen volume `newId` out of the present state of the active volume `id`, which may be mounted and
   * stays as it is. Whoever calls sees to it that nobody writes meanwhile. `amend` is called with the directory of the
   * copy that `plan(id).layers` has first for the original, or with the whole tree where there are no layers, and may
   * change it before it is frozen.
   * @throws ChrootctlError NOT_FOUND, CONFLICT when `newId` is taken or as for `freeze`
   */
  snapshot(id: string, newId: string, options?: SnapshotOptions): Promise<void>;

  /**
   * Removes volumes, or what an interrupted call left of them. Their space comes back when no heir needs it any more.
   * To remove many frozen ones at once costs little more than to remove one.
   * @throws ChrootctlError BUSY when an active volume is mounted; the message names the process that holds it
   */
  remove(ids: string | readonly string[]): Promise<void>;

  /**
   * The same for an active volume that nobody waits for: where there is much to delete, another process goes on with
   * it. The volume is gone from the list at once. If that process dies, `check` tells of what it left.
   */
  discard(id: string): Promise<void>;

  /**
   * The same for who knows nothing of volumes, of one that was made to end with a command. Undefined where only the driver
   * can do it.
   */
  plainRemoval?(id: string): PlainRemoval | undefined;

  /**
   * Whoever was at work in these volumes has let go of them, though his end may not be seen from here: that is known to
   * who holds what they are part of. `remove` and `discard` leave them to him else.
   */
  takeOver?(...ids: string[]): Promise<void>;

  /**
   * Who has an active volume mounted, in whatever mount namespace, where to mount it in a second one would damage it;
   * undefined when nobody has. `patient` (the default) waits a moment for who is just letting go of it, and asks the
   * kernel about mounts that nobody can see; else it is a look at those that can be seen.
   */
  holder?(id: string, options?: {patient?: boolean}): Promise<VolumeHolder | undefined>;

  /** Where active volumes are mounted, in our own mount namespace: which one, by mount points. */
  mountPoints(ids: readonly string[]): Map<string, string>;

  /**
   * Whether somebody may write to an active volume after it is unmounted here and frozen, so that only a copy of it is sure
   * to stay as it is. Where freezing does not make another tree by itself.
   */
  mayBeHeld?(id: string): Promise<boolean>;

  /**
   * From now on, until it is called what this gives, this process notices data that cannot be written to the disk: freezing
   * a volume that was made meanwhile fails instead of acknowledging what is lost. Where the storage does not tell by itself.
   */
  watch?(): () => void;

  /** Lets an active volume grow beyond its `limit`, for what is not its user's doing. Where there are limits. */
  liftLimit?(id: string): Promise<void>;

  /** All volumes, heirless leftovers of removed ones excluded. */
  list(): Promise<VolumeInfo[]>;

  /** Bytes on disk that the volume holds beyond its parent. @throws ChrootctlError NOT_FOUND */
  usage(id: string): Promise<number>;

  /** The same of every volume, where one look tells all of them. */
  usages?(): Promise<Map<string, number>>;

  /**
   * Paths that differ between two volumes, sorted by path, as they are found: however many there are, it takes no more
   * memory. A directory counts only for its own attributes.
   * @throws ChrootctlError NOT_FOUND, at once or when the first is asked for
   */
  changes(from: string, to: string, options?: ChangesOptions): AsyncIterable<Change>;

  /**
   * Looks for damage and leftovers within the driver's own room. Changes nothing unless `fix` is asked for. `claims` is
   * called after the driver has looked what there is: what may be somebody's is no leftover, whatever it lacks.
   */
  check(options?: CheckOptions): Promise<VolumeProblem[]>;

  /** What the volumes that were frozen with a note remember, by id: as in `Ledger`. */
  memos?(): Promise<Map<string, string>>;

  /** What the user that this process runs as lacks for the driver's work; for root there is nothing to lack. */
  permissions?(): Promise<VolumeProblem[]>;

  /** What it found to work with on this machine, in a few words for people: versions, features. */
  describe?(): Promise<string>;
}

export interface CheckOptions {
  fix?: boolean;
  /** Default: nobody names any volume. */
  claims?: () => Claims;
}

/** Which volumes the store's records name. */
export interface Claims {
  named: ReadonlySet<string>;
  /** Those of them that were frozen, and whether they were made from nothing. */
  frozen: ReadonlyMap<string, {isFirst: boolean}>;
  /** Some records cannot be read: any volume may be named by one. */
  isComplete: boolean;
  /** Whether certainly nobody is at work any more in a volume of that id, though who was cannot be seen from here. */
  isGivenUp: (id: string) => boolean;
}

export interface VolumeHolder {
  /** Undefined where it cannot be seen from here. */
  mountPoint?: string;
  /** Undefined when it is mounted in our own mount namespace and no process stands in it, or cannot be seen. */
  process?: {pid: number; command: string};
}

export interface CreateOptions {
  parent?: string;
  ephemeral?: boolean;
  /**
   * Nothing of it will be kept: it will never be frozen, and may be an overlay over its parent, if this says so of the
   * directories that the parent consists of (as MountPlan has them).
   */
  mayBeOverlay?: (layers: readonly string[]) => boolean;
  /** Bytes that may be written to the volume, beyond what it has from its parent. */
  limit?: number;
}

export interface SnapshotOptions {
  note?: Note | undefined;
  amend?: ((directory: string) => Promise<void>) | undefined;
}

export interface VolumeInfo {
  id: string;
  state: 'active' | 'frozen';
  parent: string | null;
  /** Made to end with a command. */
  ephemeral: boolean;
}

export interface Change {
  /** Absolute, as inside the root. Bytes that are not UTF-8 come out as U+FFFD. */
  path: string;
  kind: 'added' | 'changed' | 'deleted';
}

export interface ChangesOptions {
  /** Asked before each path that is looked at, with the number of changes found so far: whether to leave it at these. */
  enough?: Enough;
  /** Absolute, as inside the root: nothing else is compared. */
  only?: readonly string[];
  /**
   * Go by the times of change where that is faster: when the active volume `to` was cloned from `from`, or from the same
   * volume; then `from` must be a copy of `to`, made since. Nobody can set these times, but a clock that was set back
   * makes them wrong.
   */
  quick?: boolean;
}

export type Enough = (found: number) => boolean;

export interface VolumeProblem {
  /** `foreign`: somebody else's, in our room or built upon what is ours; never touched. */
  kind: 'leftover' | 'damaged-volume' | 'foreign' | 'permission';
  /** What is wrong, naming the volume. */
  what: string;
  /** The volume, where it is one that the store's records may name. */
  volume?: string;
  /** What --fix does, or did, about it; undefined when it can do nothing. */
  fix?: string;
}
