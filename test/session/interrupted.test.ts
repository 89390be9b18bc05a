/** Sessions whose commit was killed: whatever comes next, what it published stays, and the session goes on. */
import {describe, expect, jest, test} from '@jest/globals';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {randomId, versionId} from '../../src/ids.ts';
import {importImage} from '../../src/images/import.ts';
import {removeReference} from '../../src/images/remove.ts';
import {begin} from '../../src/session/begin.ts';
import {commitSession, endSession} from '../../src/session/commit.ts';
import {removeSession} from '../../src/session/remove.ts';
import {readyRoot, unmountRoot} from '../../src/session/root.ts';
import {Store} from '../../src/store/store.ts';
import {collect} from '../../src/upkeep/collect.ts';
import {diagnose} from '../../src/upkeep/doctor.ts';
import {temporaryDirectory} from '../temporary.ts';

async function storeWithSession(): Promise<Store> {
  const directory = temporaryDirectory();
  const root = join(directory, 'root');
  mkdirSync(join(root, 'etc'), {recursive: true});
  const store = await Store.open({root: join(directory, 'store'), driver: 'directory'});
  await importImage(store, root, {target: 'base'});
  await begin(store, 'base', {name: 'work'});
  return store;
}

/** Makes a version of a volume, as a commit does. */
async function publish(store: Store, image: string, volume: string): Promise<void> {
  const [base] = store.image('base').versions();
  const id = versionId(base!.id);
  await store.image(image).change(async (change) => {
    change.addVersion({...base!, id, image, volume, parent: base!.id});
    await change.moveTags({latest: id}, {action: 'commit', by: 'test', message: ''});
  });
}

/** The commit had moved the tags, and then its process was killed. Gives the volume of the new version. */
async function killedIdle(store: Store, image: string): Promise<string> {
  const record = store.sessions.get('work');
  store.sessions.replace({...record, changing: true});
  await unmountRoot(store, store.sessions.get('work'));
  await store.driver.freeze(record.volume);
  await publish(store, image, record.volume);
  return record.volume;
}

/** The same of a commit while something ran in the session. */
async function killedLive(store: Store, image: string, {published = true} = {}): Promise<string> {
  const record = store.sessions.get('work');
  const copy = randomId();
  store.sessions.replace({...record, pending: [copy]});
  await store.driver.snapshot(record.volume, copy);
  if (published) await publish(store, image, copy);
  return copy;
}

async function volumes(store: Store): Promise<string[]> {
  return (await store.driver.list()).map(({id}) => id);
}

const ENDS: [string, (store: Store) => Promise<unknown>][] = [
  ['ended', (store) => endSession(store, 'work')],
  ['removed', (store) => removeSession(store, 'work', {force: true})],
  [
    'used, then ended',
    async (store) => {
      await readyRoot(store, 'work');
      await endSession(store, 'work');
    },
  ],
  ['ended with another commit', (store) => endSession(store, 'work', {commit: {target: 'third'}})],
];

describe.each(['base', 'other'])('a commit to %s that was killed after it had moved the tags', (image) => {
  test.each(ENDS)('keeps its version when the session is %s', async (_, end) => {
    const store = await storeWithSession();
    const volume = await killedIdle(store, image);
    await end(store);
    expect(await volumes(store)).toContain(volume);
    expect(store.sessions.list()).toEqual([]);
    expect((await diagnose(store)).problems).toEqual([]);
  });

  test.each(ENDS)('while something ran in the session keeps it when that is %s', async (_, end) => {
    const store = await storeWithSession();
    const volume = await killedLive(store, image);
    await end(store);
    expect(await volumes(store)).toContain(volume);
    expect((await diagnose(store)).problems).toEqual([]);
  });

  test.each(ENDS)('and whose record is torn keeps its volume when the session is %s', async (_, end) => {
    const store = await storeWithSession();
    const volume = await killedIdle(store, image);
    const {latest = ''} = store.image(image).refs().tags;
    const record = join(store.layout.image(image), 'versions', `${latest}.json`);
    const text = readFileSync(record, 'utf8');
    writeFileSync(record, '');
    await expect(end(store)).rejects.toMatchObject({code: 'BUSY'});
    expect(await volumes(store)).toContain(volume);
    writeFileSync(record, text);
    await end(store);
    expect(await volumes(store)).toContain(volume);
    expect((await diagnose(store)).problems).toEqual([]);
  });

  test('does not let the version go from under the session', async () => {
    const store = await storeWithSession();
    await killedIdle(store, image);
    const {latest} = store.image(image).refs().tags;
    const removal = removeReference(store, `${image}@${latest ?? ''}`, {force: true});
    await expect(removal).rejects.toMatchObject({code: 'BUSY'});
    await readyRoot(store, 'work');
    await endSession(store, 'work');
  });

  test('is not committed a second time', async () => {
    const store = await storeWithSession();
    const volume = await killedIdle(store, image);
    const {version} = await commitSession(store, 'work', {target: 'third'});
    expect(store.image('third').version(version)?.volume).not.toBe(volume);
    await endSession(store, 'work');
  });
});

test('a session goes on from the version that a commit of it made before it was killed', async () => {
  const store = await storeWithSession();
  await killedLive(store, 'base');
  await commitSession(store, 'work');
  expect(store.image('base').versions()).toHaveLength(3);
  await endSession(store, 'work');
});

test('the copy of a commit that was killed before it moved a tag is gone with the next use', async () => {
  const store = await storeWithSession();
  const copy = await killedLive(store, 'base', {published: false});
  store.sessions.replace({...store.sessions.get('work'), changing: true});
  await readyRoot(store, 'work');
  expect(await volumes(store)).not.toContain(copy);
  expect(store.sessions.get('work').pending).toEqual([]);
  await endSession(store, 'work');
});

test('a commit to another image stays although the session could not go on for lack of space', async () => {
  const store = await storeWithSession();
  const create = store.driver.create.bind(store.driver);
  store.driver.create = () => {
    store.driver.create = create;
    return Promise.reject(new Error('no space left'));
  };
  await expect(commitSession(store, 'work', {target: 'other'})).rejects.toThrow('no space left');
  expect(await volumes(store)).toContain(store.image('other').versions()[0]?.volume);
  await endSession(store, 'work');
  expect((await diagnose(store)).problems).toEqual([]);
});

test('bringing a session back can be interrupted too', async () => {
  const store = await storeWithSession();
  const volume = await killedIdle(store, 'other');
  const create = store.driver.create.bind(store.driver);
  store.driver.create = () => Promise.reject(new Error('no space left'));
  await expect(readyRoot(store, 'work')).rejects.toThrow('no space left');
  store.driver.create = create;
  const {version} = await commitSession(store, 'work');
  expect(store.image('base').version(version)?.volume).not.toBe(volume);
  await endSession(store, 'work');
  expect((await diagnose(store)).problems).toEqual([]);
});

test('what a session that was kept is cloned from is not left for ever when its removal is interrupted', async () => {
  const store = await storeWithSession();
  const record = store.sessions.get('work');
  store.sessions.replace({...record, changing: true});
  await unmountRoot(store, store.sessions.get('work'));
  // As for a clone that is kept: it becomes no version, so nothing tells of one.
  await store.driver.freeze(record.volume);
  const remove = jest.spyOn(store.driver, 'remove').mockRejectedValueOnce(new Error('killed'));
  await expect(readyRoot(store, 'work')).rejects.toThrow('killed');
  remove.mockRestore();
  expect((await collect(store)).left).toEqual([]);
  await readyRoot(store, 'work');
  expect(await volumes(store)).not.toContain(record.volume);
  expect(store.sessions.get('work')).toMatchObject({pending: [], changing: false});
  await endSession(store, 'work');
});
