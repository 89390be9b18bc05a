/**
 * A store: everything under one root. Opening it reads one small file; it is made by the first command that needs
 * it, with the best driver found.
 */
import {chmodSync, mkdirSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError, errnoOf} from '../errors.ts';
import type {StorageDriver} from '../storage/driver.ts';
import {driversIn} from '../storage/on-disk/volume-record.ts';
import {
  DRIVER_NAMES,
  isDriverName,
  kindOf,
  openDriver,
  WITH_DATASETS,
  type DriverName,
} from '../storage/registry.ts';
import {canonicalPath} from '../system/canonical.ts';
import {isoTime} from '../system/clock.ts';
import {isThere, makeDirectoryDurably, setAside, writeDurably} from '../system/files.ts';
import {withLock} from '../system/lock.ts';
import {ownHome} from '../system/user.ts';
import {Image} from './image.ts';
import {Execs} from './execs.ts';
import {Layout} from './layout.ts';
import {filesIn} from './record-files.ts';
import {formatRecord, readable, readRecord, StoreFormat} from './records.ts';
import {makeReserve} from './reserve.ts';
import {Sessions} from './sessions.ts';

/** The store format that this version reads and writes. */
export const FORMAT = 1;

export interface StoreOptions {
  /** Default: CHROOTCTL_ROOT, else /var/lib/chrootctl for root, $XDG_DATA_HOME/chrootctl for others. */
  root?: string | undefined;
  /** The driver of a store that is made; one that exists must have it. Default: the best that works. */
  driver?: string | undefined;
  /** zfs: the dataset of a store that is made; one that exists must have it. Default: the one mounted at the root. */
  dataset?: string | undefined;
  /** Make the store over what another one left in the dataset. */
  adopt?: boolean | undefined;
  /** Make the store also where nothing can be mounted, so that nothing runs in it from here. */
  unusable?: boolean | undefined;
}

export class Store {
  readonly layout: Layout;
  readonly driver: StorageDriver;
  readonly format: StoreFormat;
  readonly sessions: Sessions;
  readonly execs: Execs;

  private constructor(layout: Layout, format: StoreFormat, driver: StorageDriver) {
    this.layout = layout;
    this.format = format;
    this.driver = driver;
    this.sessions = new Sessions(layout);
    this.execs = new Execs(layout);
  }

  /** Whether its format.json is lost or torn; what that said is known from the volumes. */
  get isFormatLost(): boolean {
    return readable(() => readRecord(StoreFormat, this.layout.format)) === undefined;
  }

  get root(): string {
    return this.layout.root;
  }

  image(name: string): Image {
    return new Image(this.layout, name, this.driver.ledger);
  }

  /** Names of all images, sorted. What else lies there is somebody else's. */
  imageNames(): string[] {
    try {
      return readdirSync(this.layout.images, {withFileTypes: true})
        .flatMap((entry) => (entry.isDirectory() ? (this.layout.imageName(entry.name) ?? []) : []))
        .sort();
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
      throw error;
    }
  }

  /**
   * Opens the store, and makes it first if there is none.
   * @throws ChrootctlError USAGE for another driver than the store's, FAILED for a newer format, NOT_PERMITTED
   */
  static async open(options: StoreOptions = {}): Promise<Store> {
    const layout = new Layout(storeRoot(options.root));
    const stored = readable(() => readRecord(StoreFormat, layout.format) ?? 'none') ?? 'unreadable';
    const format =
      typeof stored === 'string'
        ? (lostFormat(layout, stored, options) ?? (await make(layout, options)))
        : stored;
    if (format.format > FORMAT) {
      throw new ChrootctlError(
        'FAILED',
        `the store ${layout.root} has format ${format.format}; this chrootctl reads up to ${FORMAT}`,
        {hint: 'upgrade chrootctl, or choose another store with --root'},
      );
    }
    if (!isDriverName(format.driver)) throw unknownDriver(format.driver);
    if (options.driver !== undefined && options.driver !== format.driver) {
      throw new ChrootctlError(
        'USAGE',
        `the store ${layout.root} has driver ${format.driver}, not ${options.driver}`,
        {
          hint: 'a store keeps the driver it was made with: leave --driver away, or choose another store with --root',
        },
      );
    }
    if (options.dataset !== undefined && options.dataset !== format.dataset) {
      throw new ChrootctlError(
        'USAGE',
        format.dataset === undefined
          ? `the store ${layout.root} has driver ${format.driver}, which needs no dataset`
          : `the store ${layout.root} has the dataset ${format.dataset}, not ${options.dataset}`,
        {hint: 'a store keeps its dataset: leave --dataset away, or choose another store with --root'},
      );
    }
    return new Store(layout, format, await openDriver(format.driver, layout.volumes, format));
  }
}

/**
 * What the format file of a store said that has lost it, as the volumes' records tell; undefined where there is no store. A
 * store is never made over another one, with another driver perhaps.
 * @throws ChrootctlError BAD_INPUT when the volumes do not tell
 */
function lostFormat(
  layout: Layout,
  stored: 'none' | 'unreadable',
  {adopt = false}: StoreOptions,
): StoreFormat | undefined {
  const isStore = filesIn(layout.images).length > 0 || filesIn(layout.sessions).length > 0;
  // One with datasets keeps there only what is thrown away, and that does not name its dataset.
  const [driver, other] = driversIn(layout.volumes).filter((name) => name !== WITH_DATASETS);
  if (driver !== undefined && other === undefined) return {format: FORMAT, created: isoTime(), driver};
  if (stored === 'none' && (adopt || (!isStore && driver === undefined))) return undefined;
  throw new ChrootctlError(
    'BAD_INPUT',
    `${layout.format} is ${stored === 'none' ? 'lost' : 'damaged'}, and the volumes do not tell the store's driver`,
    {
      hint: `restore it from a backup; a store of the ${WITH_DATASETS} driver: chrootctl doctor --rebuild --dataset POOL/NAME`,
    },
  );
}

/** Puts the format file back as it must have been. */
export function restoreFormat({layout, format}: Store): void {
  setAside(layout.format);
  writeDurably(layout.format, formatRecord(format));
}

/**
 * Path of the store that these options, the environment and the user mean: the same one by whatever name they call it, so
 * that nobody takes what is mounted in it by one name for unmounted by another.
 */
export function storeRoot(root?: string): string {
  const path = canonicalPath(chosenRoot(root));
  if (path !== '/') return path;
  throw new ChrootctlError('USAGE', 'the store cannot be /', {
    hint: 'choose a directory of its own with --root',
  });
}

function chosenRoot(root?: string): string {
  const chosen = root ?? process.env['CHROOTCTL_ROOT'];
  if (chosen !== undefined && chosen !== '') return chosen;
  if (process.getuid?.() === 0) return '/var/lib/chrootctl';
  const data = process.env['XDG_DATA_HOME'];
  return join(data === undefined || data === '' ? join(ownHome(), '.local/share') : data, 'chrootctl');
}

export function checkDriverName(name: string): DriverName {
  if (!isDriverName(name)) throw unknownDriver(name);
  return name;
}

/** Makes the store's directories, the format file last: a store without it is not one yet. */
async function make(
  layout: Layout,
  {driver: wanted, dataset, adopt, unusable}: Omit<StoreOptions, 'root'>,
): Promise<StoreFormat> {
  if (process.getuid?.() !== 0) {
    throw new ChrootctlError(
      'NOT_PERMITTED',
      `there is no store at ${layout.root}, and only root can make one`,
      {
        hint: 'run as root (sudo): mounting and keeping file owners need it',
      },
    );
  }
  const name = wanted === undefined ? undefined : checkDriverName(wanted);
  // Only an empty or a half-made directory becomes a store: a typing error must not spread one over somebody's files.
  if (isThere(layout.root)) {
    const strange = readdirSync(layout.root).filter(
      (entry) => !OWN_ENTRIES.has(entry) && !/^format\.json\..*\.(?:tmp|damaged)$/.test(entry),
    );
    if (strange.length > 0) {
      throw new ChrootctlError(
        'USAGE',
        `${layout.root} is not empty and not a store (it holds ${strange[0] ?? ''})`,
        {
          hint: 'choose a new or empty directory with --root',
        },
      );
    }
  }
  makeDirectoryDurably(layout.root);
  makeRoom(layout.locks, 0o700);
  return withLock(layout.lock('store', 'make'), async () => {
    const made = readRecord(StoreFormat, layout.format);
    if (made !== undefined) return made;
    // What lies in volumes and below mnt has setuid programs and device nodes: nobody but root may reach them.
    // Session records hold environments.
    for (const room of [layout.volumes, layout.mounts, layout.sessions, layout.execs]) makeRoom(room, 0o700);
    makeRoom(layout.images, 0o755);
    const {chooseDriver} = await import('../storage/detect.ts');
    const {refusal, ...chosen} = await chooseDriver(layout.volumes, {driver: name, dataset});
    // Made for good, it would have the driver that is left where no better one can be tried.
    if (refusal !== undefined && unusable !== true) {
      throw new ChrootctlError(
        'NOT_PERMITTED',
        `there is no store at ${layout.root}, and none is made where nothing can run: ${refusal.message}`,
        {...(refusal.hint === undefined ? {} : {hint: refusal.hint}), cause: refusal},
      );
    }
    if (chosen.dataset !== undefined)
      await kindOf(chosen.driver).datasets?.prepare(chosen.dataset, layout.root, {adopt});
    const format = {format: FORMAT, created: isoTime(), ...chosen};
    makeReserve(layout);
    writeDurably(layout.format, formatRecord(format));
    return format;
  });
}

const OWN_ENTRIES = new Set([
  'volumes',
  'mnt',
  'sessions',
  'execs',
  'images',
  'locks',
  'reserve',
  'format.json',
  'lost+found',
]);

function makeRoom(directory: string, mode: number): void {
  mkdirSync(directory, {recursive: true});
  chmodSync(directory, mode); // Whatever the umask.
}

function unknownDriver(name: string): ChrootctlError {
  return new ChrootctlError('USAGE', `there is no storage driver '${name}'`, {
    hint: `the drivers are: ${DRIVER_NAMES.join(', ')}`,
  });
}
