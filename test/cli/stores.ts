/** Stores with many things in them, made through the engine, or as records in the layout that it documents. */
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {randomId, versionId} from '../../src/ids.ts';
import {publish, type Committed} from '../../src/session/publish.ts';
import {writeRecord} from '../../src/storage/on-disk/volume-record.ts';
import {
  formatRecord,
  type HistoryEntry,
  type SessionRecord,
  type VersionRecord,
} from '../../src/store/records.ts';
import {Store} from '../../src/store/store.ts';
import {self} from '../../src/system/identity.ts';

const CONFIG = {env: {}, mounts: []};

export function openStore(root: string): Promise<Store> {
  return Store.open({root, driver: 'overlay'});
}

/** A version of what `fill` writes into a directory: on top of `parent`, or alone. */
export async function addVersion(
  store: Store,
  image: string,
  fill: (directory: string) => void,
  {parent, tag}: {parent?: string; tag?: string} = {},
): Promise<Committed> {
  const below = parent === undefined ? undefined : store.image(image).version(parent);
  const volume = randomId();
  await store.driver.create(volume, below === undefined ? {} : {parent: below.volume});
  // Written beneath the overlay, which is not mounted: new files need nothing more.
  const [layer = ''] = (await store.driver.plan(volume)).layers;
  fill(layer);
  return publish(store, {
    image,
    tag,
    parent: parent ?? null,
    expected: parent ?? null,
    config: CONFIG,
    action: parent === undefined ? 'import' : 'commit',
    freeze: async () => {
      await store.driver.freeze(volume);
      return volume;
    },
  });
}

/** `count` small files, a hundred in a directory. */
export function addFiles(directory: string, count: number): void {
  for (let file = 0; file < count; file++) {
    const below = join(directory, 'files', String(Math.floor(file / 100)));
    if (file % 100 === 0) mkdirSync(below, {recursive: true});
    writeFileSync(join(below, `file-${file}`), `${file}\n`.repeat(10));
  }
}

/** Makes the directory of a volume in which there is nothing yet. */
function addEmptyVolume(store: Store, state: 'active' | 'frozen'): string {
  const id = randomId();
  mkdirSync(join(store.layout.volumes, id, 'fs'), {recursive: true, mode: 0o700});
  const layers = [`${id}/fs`];
  writeRecord(
    store.layout.volumes,
    {chrootctl: 1, id, driver: 'overlay', state, parent: null, ephemeral: false, layers},
    {durable: false},
  );
  return id;
}

/** Writes version number `seq` of an image, without files, made from `parent`; gives its move of `latest`. */
function addVersionRecord(
  store: Store,
  image: string,
  {seq, time, parent}: {seq: number; time: number; parent: string | null},
): HistoryEntry & {to: string} {
  const id = versionId(null, time);
  const created = new Date(time).toISOString();
  const message = `change number ${seq}`;
  const volume = addEmptyVolume(store, 'frozen');
  const version: VersionRecord = {
    ...{id, image, parent, created, message, labels: {}, config: CONFIG, volume, size: 4096},
  };
  writeFileSync(join(store.layout.image(image), 'versions', `${id}.json`), formatRecord(version));
  const action = parent === null ? 'import' : 'commit';
  return {seq, time: created, tag: 'latest', from: parent, to: id, by: 'root', action, message};
}

/**
 * Gives an image `count` earlier versions, each with its volume and its move of `latest` in the history, and a semver
 * tag to one in ten.
 */
export function addEarlierVersions(store: Store, name: string, count: number): void {
  const image = store.image(name);
  const refs = image.refs();
  const later = image.history().map((entry) => ({...entry, seq: entry.seq + count}));
  const begin = Date.now() - count * 60_000;
  const moves: ReturnType<typeof addVersionRecord>[] = [];
  for (let number = 0; number < count; number++) {
    const parent = moves.at(-1)?.to ?? null;
    moves.push(addVersionRecord(store, name, {seq: number + 1, time: begin + number * 60_000, parent}));
  }
  const lines = [...moves, ...later].map((entry) => `${JSON.stringify(entry)}\n`);
  writeFileSync(image.historyFile, lines.join(''));
  const tagged = moves.flatMap(({to}, index) => (index % 10 === 0 ? [[`1.${index / 10}.0`, to]] : []));
  const tags = {...Object.fromEntries(tagged), ...refs.tags} as Record<string, string>;
  writeFileSync(join(store.layout.image(name), 'refs.json'), formatRecord({seq: refs.seq + count, tags}));
}

/** `count` more images of one version each. */
export function addImages(store: Store, count: number): void {
  for (let number = 0; number < count; number++) {
    const name = `other-${number}`;
    const directory = store.layout.image(name);
    mkdirSync(join(directory, 'versions'), {recursive: true});
    const move = addVersionRecord(store, name, {seq: 1, time: Date.now(), parent: null});
    writeFileSync(join(directory, 'history.jsonl'), `${JSON.stringify(move)}\n`);
    writeFileSync(join(directory, 'refs.json'), formatRecord({seq: 1, tags: {latest: move.to}}));
  }
}

/** `count` kept sessions of the image's latest version, none of them mounted: as after a reboot. */
export function addSessions(store: Store, image: string, count: number): void {
  for (let number = 0; number < count; number++) {
    const id = randomId(12);
    const record: SessionRecord = {
      id,
      kind: 'session',
      name: null,
      image,
      version: store.image(image).refs().tags['latest'] ?? null,
      volume: addEmptyVolume(store, 'active'),
      pending: [],
      ephemeral: false,
      owner: self(),
      created: new Date().toISOString(),
      command: ['sh'],
      labels: {},
      config: CONFIG,
      options: {},
      changing: false,
      places: [],
    };
    writeFileSync(store.layout.session(id), formatRecord(record), {mode: 0o600});
  }
}
