/**
 * A kind of storage driver: whether it can work somewhere, and how a store is opened with it. Each has a kind.ts in its
 * own folder, which loads the driver itself only when a store is opened; registry.ts lists them.
 */
import type {ChrootctlError} from '../errors.ts';
import type {StorageDriver} from './driver.ts';
import type {Probe} from './probes.ts';

export interface DriverKind {
  /** What must go well on the file system of a directory. None: it works everywhere. */
  readonly requirement?: {
    probe: Probe;
    /** The way on when it does not. */
    hint: string;
  };
  /** Whether it is to have the volumes of a new store that has asked for no driver. Kinds are asked in the registry's order. */
  suits(site: Site): Promise<Suitability>;
  /** The driver of the volumes in this directory. Reads and changes nothing yet. @throws ChrootctlError BAD_INPUT */
  open(volumes: string, settings: DriverSettings): Promise<StorageDriver>;
  /** For a kind whose stores have a dataset each, beside their directory. */
  readonly datasets?: Datasets;
  /** The streams that it sends and receives. */
  readonly stream?: {
    /** So many bytes of a file's beginning tell a stream. */
    head: number;
    isStream(head: Uint8Array): boolean;
  };
  /** Deletes of a trial what deleting files does not. */
  deleteTrial?(trial: string): Promise<void>;
}

/** Where a new store is to have its volumes. */
export interface Site {
  /** The volumes' directory, which need not exist yet. */
  volumes: string;
  /** A directory on the same file system to try things out in. */
  trial: string;
  /** The type of that file system, as the kernel names it. */
  type: string;
}

/** One sentence for people, in any case. */
export type Suitability =
  | {works: true; why: string; dataset?: string}
  | {works: false; why: string; obstacle: ChrootctlError}
  /** Not meant for such a place; there is nothing to say. */
  | undefined;

/** What a driver must be told beyond where its room in the store is. */
export interface DriverSettings {
  /** The dataset that belongs to the store, where its kind has datasets. */
  dataset?: string | undefined;
}

export interface Datasets {
  /** The one that is mounted where a store's root is. */
  mountedAt(root: string): string | undefined;
  /** Makes the store's room in it. @throws ChrootctlError USAGE when it is somebody else's */
  prepare(dataset: string, root: string, options: {adopt?: boolean | undefined}): Promise<void>;
  /** Those that say that they belong to the store. */
  ofStore(root: string): Promise<string[]>;
}
