/**
 * Making the store's records anew from what the driver's ledger remembers: after the records were lost, or the storage
 * was brought here without them. What is there and readable stays as it is, unless the ledger knows of later moves.
 */
import {existsSync, renameSync} from 'node:fs';
import * as v from 'valibot';
import {ChrootctlError} from '../errors.ts';
import {randomId} from '../ids.ts';
import {checkImageName} from '../reference.ts';
import type {Ledger, LedgerLine} from '../storage/ledger.ts';
import type {ImageChange} from '../store/image.ts';
import {HistoryEntry, parseRecord} from '../store/records.ts';
import {Store, storeRoot, type StoreOptions} from '../store/store.ts';
import {self} from '../system/identity.ts';
import {memosOf, type Remembered} from './ahead.ts';

export interface Rebuilt {
  /** What was made, in words for people. */
  made: string[];
}

/** @throws ChrootctlError NOT_FOUND when no dataset is this store's, USAGE when its driver remembers nothing */
export async function rebuild(options: StoreOptions): Promise<Rebuilt> {
  const store = await openOrMake(options);
  const {ledger} = store.driver;
  if (ledger === undefined) {
    throw new ChrootctlError('USAGE', `the ${store.driver.name} driver keeps no copy of the records`, {
      hint: 'restore the store from a backup; chrootctl doctor tells what is missing',
    });
  }
  const made = await rebuildImages(store, ledger);
  made.push(...(await restoreSessions(store)));
  return {made};
}

/** Brings the records of one image, or of all, up to what the ledger remembers. Tells what was made, in words. */
export async function rebuildImages(store: Store, ledger: Ledger, only?: string): Promise<string[]> {
  const made: string[] = [];
  const versions = Map.groupBy(await memosOf(ledger), ({memo}) => memo.image);
  const lines = new Map((await ledger.lines()).map((line) => [line.line, line]));
  const names = only === undefined ? [...new Set([...lines.keys(), ...versions.keys()])].sort() : [only];
  for (const name of names) {
    await store.image(checkImageName(name)).change(async (change) => {
      made.push(...(await restoreVersions(store, change, versions.get(name) ?? [])));
      made.push(...restoreMoves(change, lines.get(name)));
    });
  }
  return made;
}

async function openOrMake(options: StoreOptions): Promise<Store> {
  const root = storeRoot(options.root);
  if (existsSync(`${root}/format.json`)) return Store.open(options);
  const {roomsOf} = await import('../storage/zfs/room.ts');
  const rooms = options.dataset === undefined ? await roomsOf(root) : [options.dataset];
  const [dataset, other] = rooms;
  if (dataset === undefined || other !== undefined) {
    throw new ChrootctlError(
      dataset === undefined ? 'NOT_FOUND' : 'USAGE',
      dataset === undefined
        ? `no dataset of an imported pool belongs to the store ${root}`
        : `several datasets belong to the store ${root}: ${rooms.join(', ')}`,
      {hint: 'name it with --dataset POOL/NAME (zpool import brings a pool back)'},
    );
  }
  return Store.open({...options, dataset, adopt: true});
}

async function restoreVersions(
  store: Store,
  change: ImageChange,
  remembered: readonly Remembered[],
): Promise<string[]> {
  const made: string[] = [];
  const {image} = change;
  const known = new Set([...readableVersions(change), ...image.removingIds()]);
  for (const {volume, memo} of remembered) {
    if (known.has(memo.id)) continue;
    change.addVersion({...memo, volume, size: await store.driver.usage(volume)});
    made.push(`version ${image.name}@${memo.id}`);
  }
  return made;
}

function readableVersions({image}: ImageChange): string[] {
  return image.versionIds().filter((id) => isReadable(() => image.version(id)));
}

/** Brings the tags and the history up to the ledger's last move. One of a version that is gone has no effect. */
function restoreMoves(change: ImageChange, line: LedgerLine | undefined): string[] {
  const {image} = change;
  const last = line?.entries.at(-1)?.seq ?? 0;
  if (line === undefined) return [];
  const present = isReadable(() => image.history()) ? image.refs().seq : -1;
  if (present >= last) return [];
  // What is there stays beside it: a person may still want to look at it.
  if (existsSync(image.historyFile)) renameSync(image.historyFile, `${image.historyFile}.before-rebuild`);
  const entries = line.entries.flatMap(({seq, text}) =>
    parseRecord(v.array(HistoryEntry), text, `move ${seq} of ${image.name} in the ledger`),
  );
  change.replaceHistory(entries, last);
  return [`tags and history of ${image.name} (${last} moves)`];
}

/** Active volumes that no session names hold somebody's work: they become sessions again, under names of their own. */
async function restoreSessions(store: Store): Promise<string[]> {
  // Volumes first: a session that begins now has its record before its volume.
  const volumes = await store.driver.list();
  const versions = store.imageNames().flatMap((name) => store.image(name).allVersions() ?? []);
  const known = new Set(store.sessions.list().flatMap(({volume, pending}) => [volume, ...pending]));
  const made: string[] = [];
  for (const {id: volume, state, parent, ephemeral} of volumes) {
    const version = versions.find((candidate) => candidate.volume === parent);
    if (state !== 'active' || ephemeral || known.has(volume) || version === undefined) continue;
    const id = `recovered-${randomId(6)}`;
    store.sessions.add({
      id,
      kind: 'session',
      name: id,
      image: version.image,
      version: version.id,
      volume,
      pending: [],
      ephemeral: false,
      owner: self(),
      created: new Date().toISOString(),
      command: [],
      labels: {},
      config: version.config,
      options: {},
      changing: false,
    });
    made.push(`session ${id} of ${version.image}@${version.id}`);
  }
  return made;
}

function isReadable(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof ChrootctlError && error.code === 'BAD_INPUT') return false;
    throw error;
  }
}
