import {expect, test} from '@jest/globals';
import {mkdirSync, renameSync} from 'node:fs';
import {join} from 'node:path';
import {importImage} from '../../src/images/import.ts';
import {prune} from '../../src/images/prune.ts';
import {Store} from '../../src/store/store.ts';
import {survey} from '../../src/upkeep/survey.ts';
import {temporaryDirectory} from '../temporary.ts';

async function storeWithThree(): Promise<Store> {
  const directory = temporaryDirectory();
  const root = join(directory, 'root');
  mkdirSync(join(root, 'etc'), {recursive: true});
  const store = await Store.open({root: join(directory, 'store'), driver: 'directory'});
  for (let n = 0; n < 3; n++) await importImage(store, root, {target: 'base'});
  return store;
}

test('a prune that gets room only when it has begun tells of all that it removes, and ends it', async () => {
  const store = await storeWithThree();
  const remove = store.driver.remove.bind(store.driver);
  store.driver.remove = () => {
    store.driver.remove = remove;
    return Promise.reject(Object.assign(new Error('no space left'), {code: 'ENOSPC', syscall: 'write'}));
  };
  const [first, second] = store.image('base').versionIds();
  const {removed} = await prune(store, {});
  expect(removed.map(({version}) => version)).toEqual([first, second]);
  expect((await survey(store)).leftovers).toEqual([]);
});

test('an image of which a tag names a version that has no record is left as it is', async () => {
  const store = await storeWithThree();
  const ids = store.image('base').versionIds();
  const latest = ids.at(-1) ?? '';
  renameSync(join(store.root, `images/base/versions/${latest}.json`), join(store.root, 'saved'));
  expect(await prune(store, {keep: 1})).toMatchObject({
    removed: [],
    left: [`image base is left: base:latest points to ${latest}, which has no record`],
  });
  renameSync(join(store.root, 'saved'), join(store.root, `images/base/versions/${latest}.json`));
  expect((await prune(store, {keep: 1})).removed).toHaveLength(2);
});
