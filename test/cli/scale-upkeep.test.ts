/**
 * What looks at everything takes as much as there is, and no more: what it asks of the file system, counted as in
 * scale.test.ts, grows by the same for each of what is added. With few descriptors, so that none is open for each.
 */
import {expect, test} from '@jest/globals';
import {mkdirSync, renameSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {addEarlierVersions, addImages, addSessions, addVersion, openStore} from './stores.ts';
import {randomId, versionId} from '../../src/ids.ts';
import {formatRecord} from '../../src/store/records.ts';
import type {Store} from '../../src/store/store.ts';
import {Cli} from './chrootctl.ts';
import {fileWorkThrough} from './traced.ts';

const SIZE = 10;
/** Directories that get another block, and processes that are started or not. */
const SLACK = 200;
const FEW_DESCRIPTORS = ['prlimit', '--nofile=32'];

/** `size` of all that there may be many of. */
async function storeOf(size: number): Promise<{cli: Cli; store: Store}> {
  const cli = new Cli({driver: 'overlay'});
  const store = await openStore(cli.store);
  await addVersion(store, 'base', (layer) => {
    mkdirSync(join(layer, 'etc'));
  });
  addEarlierVersions(store, 'base', 3 * size);
  const ids = store.image('base').versionIds();
  const last = ids.at(-1) ?? '';
  setTags(store, 'base', [
    ...ids.filter((_, index) => index % 3 === 0).map((id, index) => [`one-${index}`, id] as const),
    ...Array.from({length: size}, (_, index) => [`last-${index}`, last] as const),
  ]);
  addImages(store, size);
  addSessions(store, 'base', size);
  return {cli, store};
}

function setTags(store: Store, name: string, tags: readonly (readonly [string, string])[]): void {
  const {seq} = store.image(name).refs();
  const text = formatRecord({seq, tags: Object.fromEntries(tags)});
  writeFileSync(join(store.layout.image(name), 'refs.json'), text);
}

/** In each of the images but one. */
function addDanglingTags(store: Store): void {
  for (const name of store.imageNames().filter((each) => each !== 'base'))
    setTags(store, name, [...Object.entries(store.image(name).refs().tags), ['gone', versionId()]]);
}

/** As removals leave a third of the versions when they are interrupted; and as many volumes that nobody names. */
async function addLeftovers(store: Store): Promise<void> {
  const image = store.image('base');
  const directory = join(store.layout.image('base'), 'versions');
  for (const id of image.versionIds().filter((_, index) => index % 3 === 1)) {
    renameSync(join(directory, `${id}.json`), join(directory, `${id}.json.removing`));
    await store.driver.create(randomId(), {ephemeral: true});
  }
}

async function workWith(size: number): Promise<Record<string, number>> {
  const {cli, store} = await storeOf(size);
  const work = (...args: string[]): number => fileWorkThrough(FEW_DESCRIPTORS, cli, ...args);
  const looking = {
    images: work('images'),
    tree: work('images', '--tree'),
    ps: work('ps', '--size'),
    doctor: work('doctor'),
  };
  addDanglingTags(store);
  const mending = work('doctor', '--fix');
  await addLeftovers(store);
  const collecting = work('gc');
  const pruning = work('prune');
  expect(store.image('base').versionIds().length).toBe(size + 1);
  expect((await store.driver.list()).length).toBe(3 * size + 1);
  return {...looking, mending, collecting, pruning};
}

test('looking, mending and collecting take in proportion to what there is', async () => {
  const [once, twice, fourTimes] = [await workWith(SIZE), await workWith(2 * SIZE), await workWith(4 * SIZE)];
  const superlinear = Object.keys(once).filter((name) => {
    const [few = 0, more = 0, most = 0] = [once[name], twice[name], fourTimes[name]];
    return most - more > 2 * (more - few) + SLACK;
  });
  expect({superlinear, once, twice, fourTimes}).toEqual({superlinear: [], once, twice, fourTimes});
}, 300_000);
