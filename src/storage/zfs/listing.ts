/** What is in the room: its datasets and their snapshots, by one scoped zfs-list(8). */
import type {VolumeInfo} from '../driver.ts';
import {isId} from '../../ids.ts';
import {isMissing, refusal, tryZfs} from './command.ts';
import {datasetOf, lastPart, parseSnapshot, PROPERTY} from './names.ts';

export interface Dataset {
  name: string;
  /** The volume that it was made for; undefined: somebody else's. */
  id: string | undefined;
  parent: string | null;
  ephemeral: boolean;
  /** No volume any more: it is there for its snapshots only. */
  removed: boolean;
  /** Somebody may be making it at this moment: whose it is shows later. */
  unsettled?: boolean;
  /** The snapshot that it is a clone of. */
  origin: string | null;
  /** Transaction group in which it was made: rises with time. */
  created: number;
  /** Oldest first. */
  snapshots: Snapshot[];
}

export interface Snapshot {
  name: string;
  /** The volume that it is or was; undefined: somebody else's. */
  id: string | undefined;
  /** No volume any more: it is there for its clones only. */
  isBase: boolean;
  parent: string | null;
  /** Names of the datasets that are clones of it. */
  clones: string[];
}

const COLUMNS = [
  'name',
  'createtxg',
  'origin',
  'clones',
  PROPERTY.volume,
  PROPERTY.parent,
  PROPERTY.ephemeral,
  PROPERTY.state,
  PROPERTY.store,
];

export interface Listing {
  /** Whose room it is, as the marks say. */
  store: string | undefined;
  datasets: Dataset[];
}

/** All below `dataset`, itself included: down to its own snapshots with `depth` 1. Undefined where it does not exist. */
export async function list(dataset: string, {depth}: {depth?: number} = {}): Promise<Listing | undefined> {
  const scope = depth === undefined ? ['-r'] : ['-d', String(depth)];
  // In the order of making: a dataset comes before its snapshots, and these oldest first.
  const args = ['list', '-Hp', ...scope, '-s', 'createtxg', '-t', 'filesystem,volume,snapshot'];
  const {ok, stdout, stderr} = await tryZfs([...args, '-o', COLUMNS.join(','), dataset]);
  if (ok) return parseListing(stdout);
  if (isMissing(stderr)) return undefined;
  throw refusal('zfs list', stderr);
}

export function parseListing(text: string): Listing {
  const rows = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t').map((value) => (value === '-' ? '' : value)));
  const datasets = new Map<string, Dataset>();
  for (const row of rows) if (!isSnapshot(row)) datasets.set(row[0] ?? '', datasetIn(row));
  for (const row of rows)
    if (isSnapshot(row)) datasets.get(datasetOf(row[0] ?? ''))?.snapshots.push(snapshotIn(row));
  return {store: rows[0]?.[8] || undefined, datasets: [...datasets.values()]};
}

function isSnapshot([name = '']: readonly string[]): boolean {
  return name.includes('@');
}

function datasetIn(row: readonly string[]): Dataset {
  const [name = '', created, origin = '', , volume = '', parent = '', ephemeral, state] = row;
  return {
    name,
    id: isId(volume) && lastPart(name) === volume ? volume : undefined,
    parent: parent || null,
    ephemeral: ephemeral === 'on',
    removed: state === 'removed',
    origin: origin || null,
    created: Number(created),
    snapshots: [],
  };
}

function snapshotIn(row: readonly string[]): Snapshot {
  const [name = '', , , clones = '', volume = '', parent = ''] = row;
  const {id, isBase} = parseSnapshot(name.slice(name.indexOf('@') + 1));
  return {
    name,
    id: isId(volume) && id === volume ? volume : undefined,
    isBase,
    parent: parent || null,
    clones: clones === '' ? [] : clones.split(','),
  };
}

export interface Place {
  /** The dataset, or the snapshot of a frozen volume. */
  source: string;
  isFrozen: boolean;
  parent: string | null;
}

/** Where a volume is; undefined when it is nowhere. */
export function placeOf(datasets: readonly Dataset[], id: string): Place | undefined {
  return placesIn(datasets).get(id);
}

/** Where all volumes are, by id. */
export function placesIn(datasets: readonly Dataset[]): Map<string, Place> {
  const places = new Map<string, Place>();
  const add = (id: string, place: Place): void => {
    if (!places.has(id)) places.set(id, place);
  };
  for (const {id, name, parent, isBase} of datasets.flatMap(({snapshots}) => snapshots))
    if (id !== undefined && !isBase) add(id, {source: name, isFrozen: true, parent});
  for (const {id, name, parent, removed} of datasets)
    if (id !== undefined && !removed) add(id, {source: name, isFrozen: false, parent});
  return places;
}

/** Volumes in the order of their ids. */
export function volumesIn(datasets: readonly Dataset[]): VolumeInfo[] {
  const volumes = new Map<string, VolumeInfo>();
  for (const {id, parent, removed, ephemeral} of datasets)
    if (id !== undefined && !removed) volumes.set(id, {id, state: 'active', parent, ephemeral});
  for (const {id, isBase, parent} of datasets.flatMap(({snapshots}) => snapshots))
    if (id !== undefined && !isBase) volumes.set(id, {id, state: 'frozen', parent, ephemeral: false});
  return [...volumes.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}
