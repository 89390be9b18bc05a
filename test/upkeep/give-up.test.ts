/** What gc leaves since it may be somebody's, until a person gives it up by name. */
import {beforeEach, expect, test} from '@jest/globals';
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import {importImage} from '../../src/images/import.ts';
import {begin} from '../../src/session/begin.ts';
import {endSession} from '../../src/session/commit.ts';
import {unmountRoot} from '../../src/session/root.ts';
import {Store} from '../../src/store/store.ts';
import {collect, wouldCollect} from '../../src/upkeep/collect.ts';
import {diagnose} from '../../src/upkeep/doctor.ts';
import {temporaryDirectory} from '../temporary.ts';

let store: Store;

beforeEach(async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'root/etc'), {recursive: true});
  store = await Store.open({root: join(directory, 'store'), driver: 'overlay'});
  await importImage(store, join(directory, 'root'), {target: 'a', message: 'first'});
});

function versionFile(): string {
  const {id} = store.image('a').versions().at(-1) ?? {id: ''};
  return join(store.layout.image('a'), 'versions', `${id}.json`);
}

function volumes(): Promise<string[]> {
  return store.driver.list().then((list) => list.map(({id}) => id).sort());
}

test('a volume of which only a damaged session record could tell goes when it is given up, and nothing before', async () => {
  await begin(store, 'a', {name: 'work'});
  const {volume} = store.sessions.get('work');
  await unmountRoot(store, store.sessions.get('work'));
  const record = store.layout.session('work');
  writeFileSync(record, '{"id": 7}\n');
  const before = await volumes();

  const {left} = await collect(store);
  expect(left).toEqual([expect.stringContaining(volume)]);
  expect(await volumes()).toEqual(before);

  // The record first: what it may have named is not given up with it.
  await collect(store, {giveUp: [`sessions/${basename(record)}`]});
  expect(existsSync(record)).toBe(false);
  expect(readFileSync(`${record}.damaged`, 'utf8')).toBe('{"id": 7}\n');
  expect((await collect(store)).left).toEqual([expect.stringContaining(volume)]);
  expect(await volumes()).toEqual(before);

  expect((await wouldCollect(store, {giveUp: [volume]})).collected).toMatchObject([{kind: 'given-up'}]);
  expect(await volumes()).toEqual(before);
  expect(await collect(store, {giveUp: [volume]})).toMatchObject({left: [], failed: []});
  expect(await volumes()).toEqual(before.filter((id) => id !== volume));
  expect((await diagnose(store)).ok).toBe(true);
});

test('a version whose record cannot be read is given up by its path, and its volume by its id', async () => {
  await begin(store, 'a', {name: 'work'});
  await endSession(store, 'work', {commit: {tag: 'new'}});
  const path = versionFile();
  const {volume} = store.image('a').versions().at(-1) ?? {volume: ''};
  writeFileSync(path, 'null\n');
  await collect(store, {giveUp: [path]});
  expect(readFileSync(`${path}.damaged`, 'utf8')).toBe('null\n');
  // It is the version still, and doctor would make its record anew.
  expect((await collect(store)).left).toEqual([expect.stringContaining('has no record')]);
  await collect(store, {giveUp: [volume]});
  expect(await volumes()).not.toContain(volume);
  // What is left is tags to nowhere.
  expect((await diagnose(store, {fix: true})).fixed).toMatchObject([
    {kind: 'dangling-tag'},
    {kind: 'dangling-tag'},
  ]);
  expect((await diagnose(store)).problems).toEqual([]);
});

test.each([
  ['a volume that somebody names', () => store.image('a').versions()[0]?.volume ?? ''],
  ['a record that can be read', versionFile],
  ['a file that is no record', () => join(store.root, 'format.json')],
  ['what is not there', () => 'nothing'],
])('%s cannot be given up, and then nothing is collected', async (_, what) => {
  await store.driver.create('0123456789', {ephemeral: true});
  await expect(collect(store, {giveUp: [what()]})).rejects.toMatchObject({code: 'NOT_FOUND'});
  expect(await volumes()).toContain('0123456789');
  expect(existsSync(versionFile())).toBe(true);
});
