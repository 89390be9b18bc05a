/**
 * Making the store's records anew from what the driver's ledger remembers: after the records were lost, or the storage
 * was brought here without them. What is there and readable stays as it is, unless the ledger knows of later moves.
 */
import {ChrootctlError} from '../errors.ts';
import {randomId} from '../ids.ts';
import {checkImageName} from '../reference.ts';
import type {Ledger} from '../storage/ledger.ts';
import {kindOf, WITH_DATASETS} from '../storage/registry.ts';
import {memosOf, restore} from '../store/catch-up.ts';
import {Store, storeRoot, type StoreOptions} from '../store/store.ts';
import {namedBySessions, recover} from './lost.ts';
import {isThere} from '../system/files.ts';

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
  return {made: [...(await restoreImages(store, ledger)), ...(await restoreSessions(store))]};
}

async function restoreImages(store: Store, ledger: Ledger): Promise<string[]> {
  const made: string[][] = [];
  const memos = Map.groupBy(await memosOf(ledger), ({memo}) => memo.image);
  const lines = new Map((await ledger.lines()).map((line) => [line.line, line]));
  for (const name of [...new Set([...lines.keys(), ...memos.keys()])].sort()) {
    await store.image(checkImageName(name)).change(async (change) => {
      made.push(await restore(store, change, lines.get(name), memos.get(name) ?? []));
    });
  }
  return made.flat();
}

async function openOrMake(options: StoreOptions): Promise<Store> {
  const root = storeRoot(options.root);
  if (isThere(`${root}/format.json`)) return Store.open(options);
  const {datasets} = kindOf(WITH_DATASETS);
  const rooms = options.dataset === undefined ? ((await datasets?.ofStore(root)) ?? []) : [options.dataset];
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

/** Active volumes that no session names hold somebody's work: they become sessions again, under names of their own. */
async function restoreSessions(store: Store): Promise<string[]> {
  // Volumes first: a session that begins now has its record before its volume.
  const volumes = await store.driver.list();
  const versions = new Map(
    store
      .imageNames()
      .flatMap((name) => store.image(name).allVersions() ?? [])
      .map((version) => [version.volume, version]),
  );
  const isSessions = namedBySessions(store);
  const made: string[] = [];
  for (const {id: volume, state, parent, ephemeral} of volumes) {
    const version = parent === null ? undefined : versions.get(parent);
    if (state !== 'active' || ephemeral || version === undefined || isSessions(volume)) continue;
    const id = `recovered-${randomId(6)}`;
    recover(store, volume, version, id);
    made.push(`session ${id} of ${version.image}@${version.id}`);
  }
  return made;
}
