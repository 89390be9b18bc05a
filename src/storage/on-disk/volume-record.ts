/**
 * What a driver knows of a volume: `volume.json` in the volume's directory. The file is also our mark: a directory
 * without it, or with somebody else's, is not ours to change.
 */
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError, errnoOf} from '../../errors.ts';
import {isId} from '../../ids.ts';
import {
  isThere,
  isTorn,
  readText,
  syncDirectory,
  writeAtomically,
  writeDurably,
  writeNew,
} from '../../system/files.ts';
import type {Owner} from '../../system/identity.ts';
import {isDriverName, type DriverName} from '../registry.ts';

/**
 * `making`: being copied by `maker`, not a volume yet. `removed`: no volume any more, but its layer is kept for
 * heirs.
 */
export type RecordState = 'making' | 'active' | 'frozen' | 'removed';

export interface VolumeRecord {
  chrootctl: 1;
  id: string;
  driver: DriverName;
  state: RecordState;
  parent: string | null;
  ephemeral: boolean;
  /** The layers whose union the volume is, top first, the volume's own (one of its PARTS) at the top. */
  layers: readonly string[];
  /** Layers of other volumes that its own was merged from, and shares files with. */
  linked?: readonly string[];
  /** Its root directory has extended attributes or an ACL, which a clone's root directory must be given too. */
  rootAttributes?: boolean;
  /** Of a whole tree that was cloned: milliseconds since the epoch. What was changed after that was changed in it. */
  cloned?: number;
  /** What the store wants to be remembered of a frozen volume (see ledger.ts): opaque. */
  memo?: string;
  /** What the btrfs driver measures by. */
  btrfs?: SubvolumeRecord;
  /** How often data of the room had been lost when the volume was made (losses.ts); none in older records. */
  losses?: number;
  /** Its parent, which lies elsewhere, was removed: it is kept for this one. */
  outlivesParent?: boolean;
  /** The process that is building something in the directory. */
  maker?: Owner;
}

/** A generation is btrfs' count of transactions, which every extent bears. */
export interface SubvolumeRecord {
  /** Extents of the parent are no newer than this; those of the volume itself are. */
  since: number;
  frozen?: {
    /** Milliseconds since the epoch: nothing in the volume has changed after that. */
    at: number;
    /** No extent of the volume is newer. */
    generation: number;
    /** In the volume beyond its parent. */
    bytes: number;
  };
}

const STATES: readonly unknown[] = ['making', 'active', 'frozen', 'removed'];
export const RECORD = 'volume.json';

/** Directories that a volume's directory may hold, over all drivers (volumes.ts): layers, and overlayfs' own. */
export const LAYERS = ['fs', 'merged', 'frozen'];
export const PARTS = [...LAYERS, 'work', 'lower'];
/** The one of them on which what lies below an overlay is mounted. */
export const LOWER = 'lower';

/** @throws ChrootctlError BAD_INPUT: a path is never built from what is not an id */
export function directoryOf(volumes: string, id: string): string {
  if (!isId(id)) throw new ChrootctlError('BAD_INPUT', `not a volume id: ${JSON.stringify(id)}`);
  return join(volumes, id);
}

/**
 * The record of a volume, or undefined where there is no volume of that id.
 * @throws ChrootctlError FAILED when there is one whose record is lost or cannot be understood
 */
export function readRecord(volumes: string, id: string): VolumeRecord | undefined {
  const directory = directoryOf(volumes, id);
  const text = textOf(id, join(directory, RECORD));
  if (text === undefined) {
    if (!hasLayer(directory)) return undefined;
    // It may have been deleted, or moved out of the way, since the first look.
    if (textOf(id, join(directory, RECORD)) === undefined && hasLayer(directory)) throw damaged(id);
    return readRecord(volumes, id);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged(id, cause);
  }
  if (!isRecord(value) || value.id !== id) throw damaged(id);
  return value;
}

function textOf(id: string, path: string): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    if (error instanceof ChrootctlError) throw damaged(id, error);
    throw error;
  }
}

/** A directory of ours is made with its record in it and put in its place then, so what has a layer had a record. */
function hasLayer(directory: string): boolean {
  return LAYERS.some((part) => isThere(join(directory, part)));
}

/**
 * Whether the record is lost, or is one that a power cut may have torn, of a volume that need not have survived the
 * machine: only that of an active volume is written without waiting for the disk. That it was active `work/` tells.
 */
export function isWithoutRecord(volumes: string, id: string): boolean {
  const directory = directoryOf(volumes, id);
  const text = textOf(id, join(directory, RECORD));
  return text === undefined || (isTorn(text) && isThere(join(directory, 'work')));
}

/** The process that is at work in a directory which is no volume by its name. */
export function makerIn(directory: string): Owner | undefined {
  return recordIn(directory)?.maker;
}

/** The record in such a directory; undefined where there is none that can be read. */
export function recordIn(directory: string): VolumeRecord | undefined {
  try {
    const value: unknown = JSON.parse(readText(join(directory, RECORD)) ?? '');
    return isRecord(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof ChrootctlError) return undefined;
    throw error;
  }
}

/** Replaces the record atomically. With `durable` it, and the directory it describes, survive a power cut. */
export function writeRecord(volumes: string, record: VolumeRecord, {durable}: {durable: boolean}): void {
  writeRecordIn(directoryOf(volumes, record.id), record, {durable});
  if (durable) syncDirectory(volumes);
}

/** The same in a directory that is not in its place yet, or not any more. */
export function writeRecordIn(directory: string, record: VolumeRecord, {durable}: {durable: boolean}): void {
  const write = durable ? writeDurably : writeAtomically;
  write(join(directory, RECORD), textOfRecord(record));
}

/** Writes the first record in a directory that is not in its place yet: nobody looks there, so it need not be replaced. */
export function writeFirstRecord(
  directory: string,
  record: VolumeRecord,
  {durable}: {durable: boolean},
): void {
  writeNew(join(directory, RECORD), textOfRecord(record), {durable});
  if (durable) syncDirectory(directory);
}

function textOfRecord(record: VolumeRecord): string {
  return JSON.stringify(record, null, 2) + '\n';
}

/** The ids that have a directory, whatever is in it. None when there is no volumes directory yet. */
export function idsIn(volumes: string): string[] {
  try {
    return readdirSync(volumes).filter(isId).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** The drivers that the volumes in a directory have. */
export function driversIn(volumes: string): DriverName[] {
  return [...new Set(readRecords(volumes).records.map(({driver}) => driver))];
}

export interface Records {
  records: VolumeRecord[];
  /** Ids whose record cannot be read: what they need is unknown, so nothing may be thought unneeded. */
  damaged: string[];
}

/** All records that there are, and those that there should be. */
export function readRecords(volumes: string): Records {
  const all: Records = {records: [], damaged: []};
  for (const id of idsIn(volumes)) {
    try {
      const record = readRecord(volumes, id);
      if (record !== undefined) all.records.push(record);
    } catch (error) {
      if (!(error instanceof ChrootctlError)) throw error;
      all.damaged.push(id);
    }
  }
  return all;
}

/** The id of the volume in whose directory a layer lies. */
export function volumeOfLayer(layer: string): string {
  return layer.slice(0, layer.indexOf('/'));
}

function isRecord(value: unknown): value is VolumeRecord {
  if (typeof value !== 'object' || value === null) return false;
  const record = value as Partial<Record<keyof VolumeRecord, unknown>>;
  return (
    record.chrootctl === 1 &&
    typeof record.id === 'string' &&
    typeof record.driver === 'string' &&
    isDriverName(record.driver) &&
    STATES.includes(record.state) &&
    (record.parent === null || (typeof record.parent === 'string' && isId(record.parent))) &&
    typeof record.ephemeral === 'boolean' &&
    Array.isArray(record.layers) &&
    record.layers.length > 0 &&
    record.layers.every(isLayer) &&
    (record.memo === undefined || typeof record.memo === 'string') &&
    (record.linked === undefined || (Array.isArray(record.linked) && record.linked.every(isLayer)))
  );
}

/** Parts that the volume has no use for, being in the state that its record says. */
export function unusedParts({id, state, layers}: VolumeRecord): string[] {
  return PARTS.filter(
    (part) => layers[0] !== `${id}/${part}` && !(state === 'active' && [LOWER, 'work'].includes(part)),
  );
}

const LAYER = new RegExp(`^[0-9a-z]+/(?:${LAYERS.join('|')})$`);

/** Layers become mount options and paths: nothing but our own names is let through. */
function isLayer(value: unknown): boolean {
  return typeof value === 'string' && LAYER.test(value) && isId(volumeOfLayer(value));
}

function damaged(id: string, cause?: unknown): ChrootctlError {
  return new ChrootctlError('FAILED', `the record of volume ${id} is damaged`, {
    hint: 'chrootctl doctor --fix makes it anew where that is certain; else restore volume.json from a backup',
    cause,
  });
}
