/** Faults of single files that stay unseen until somebody collects, removes or goes on: what they would cost. */
import {describe, expect, test} from '@jest/globals';
import {existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {importImage} from '../../src/images/import.ts';
import {listHistory, listVersions} from '../../src/images/list.ts';
import {prune} from '../../src/images/prune.ts';
import {removeReference} from '../../src/images/remove.ts';
import {tagVersion, untagVersion} from '../../src/images/tags.ts';
import {begin} from '../../src/session/begin.ts';
import {endSession} from '../../src/session/commit.ts';
import {readyRoot, unmountRoot} from '../../src/session/root.ts';
import {Store} from '../../src/store/store.ts';
import {temporaryBeside} from '../../src/system/files.ts';
import {collect} from '../../src/upkeep/collect.ts';
import {diagnose} from '../../src/upkeep/doctor.ts';
import {temporaryDirectory} from '../temporary.ts';

async function storeWith(versions: number, driver = 'overlay'): Promise<Store> {
  const directory = temporaryDirectory();
  const source = join(directory, 'root');
  mkdirSync(join(source, 'etc'), {recursive: true});
  writeFileSync(join(source, 'mark'), '1');
  const store = await Store.open({root: join(directory, 'store'), driver});
  await importImage(store, source, {target: 'a', message: 'first', labels: {of: 'me'}});
  for (let count = 1; count < versions; count++) await commit(store);
  return store;
}

async function commit(store: Store): Promise<void> {
  await begin(store, 'a', {name: 's'});
  await endSession(store, 's', {commit: {}});
}

async function later<T>(work: () => Promise<T>): Promise<T> {
  const now = Date.now;
  Date.now = () => now() + 120_000;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}

function volumeOf(store: Store, index: number): string {
  return store.image('a').versions()[index]?.volume ?? '';
}

function recordOf(store: Store, volume: string): string {
  return join(store.layout.volumes, volume, 'volume.json');
}

async function readMark(store: Store): Promise<string> {
  return store.driver.withTree(store.image('a').versions().at(-1)?.volume ?? '', (tree) =>
    Promise.resolve(readFileSync(join(tree, 'mark'), 'utf8')),
  );
}

describe('volumes', () => {
  test('a removed volume stays while one that lies upon it has lost its record', async () => {
    const store = await storeWith(2);
    const [below, above] = [volumeOf(store, 0), volumeOf(store, 1)];
    const record = recordOf(store, above);
    const text = readFileSync(record, 'utf8');
    rmSync(record);
    await removeReference(store, `a@${listVersions(store, 'a')[1]?.version ?? ''}`);
    await later(() => collect(store));
    expect(existsSync(join(store.layout.volumes, below, 'fs/mark'))).toBe(true);
    writeFileSync(record, text);
    expect(await readMark(store)).toBe('1');
  });

  test('one that lost its record can be removed, and its heirs go on', async () => {
    const store = await storeWith(2);
    rmSync(recordOf(store, volumeOf(store, 0)));
    await removeReference(store, `a@${listVersions(store, 'a')[1]?.version ?? ''}`);
    await later(() => collect(store));
    expect(await readMark(store)).toBe('1');
    await removeReference(store, 'a', {force: true});
    expect((await later(() => diagnose(store))).problems).toEqual([]);
  });

  test('a record is made anew from the heir’s, and the volume has the same in it', async () => {
    const store = await storeWith(2);
    const record = recordOf(store, volumeOf(store, 0));
    const {layers} = JSON.parse(readFileSync(record, 'utf8')) as {layers: string[]};
    writeFileSync(record, '');
    expect((await diagnose(store)).ok).toBe(false);
    expect((await diagnose(store, {fix: true})).ok).toBe(true);
    expect(JSON.parse(readFileSync(record, 'utf8'))).toMatchObject({layers, state: 'frozen', parent: null});
  });
});

describe('records of images', () => {
  test('a version’s record that is lost is made anew as it was', async () => {
    const store = await storeWith(1);
    const [before] = store.image('a').versions();
    rmSync(join(store.layout.image('a'), 'versions', `${before?.id ?? ''}.json`));
    expect((await later(() => collect(store))).left).toEqual([
      expect.stringContaining(before?.volume ?? '?'),
    ]);
    expect((await diagnose(store, {fix: true})).ok).toBe(true);
    expect(store.image('a').versions()).toEqual([before]);
  });

  test('tags that are older than the history take no move, and are made anew from it', async () => {
    const store = await storeWith(1);
    const file = join(store.layout.image('a'), 'refs.json');
    const old = readFileSync(file, 'utf8');
    await commit(store);
    await commit(store);
    const [refs, history] = [store.image('a').refs(), listHistory(store, 'a')];
    writeFileSync(file, old);
    await expect(tagVersion(store, 'a', 'x')).rejects.toMatchObject({code: 'BAD_INPUT'});
    await prune(store, {});
    expect(store.image('a').versionIds()).toHaveLength(3);
    expect((await diagnose(store, {fix: true})).ok).toBe(true);
    expect([store.image('a').refs(), listHistory(store, 'a')]).toEqual([refs, history]);
  });

  test('tags that are older by one commit are told of, and its version is not pruned', async () => {
    const store = await storeWith(1);
    const file = join(store.layout.image('a'), 'refs.json');
    const old = readFileSync(file, 'utf8');
    await commit(store);
    const refs = store.image('a').refs();
    writeFileSync(file, old);
    expect((await diagnose(store)).problems.map(({kind}) => kind)).toEqual(['damaged-tags']);
    await prune(store, {});
    expect((await diagnose(store, {fix: true})).ok).toBe(true);
    expect(store.image('a').refs()).toEqual(refs);
  });

  test('a move that died before its tags did is no damage', async () => {
    const store = await storeWith(1);
    const file = join(store.layout.image('a'), 'refs.json');
    const old = readFileSync(file, 'utf8');
    await tagVersion(store, 'a', 'x');
    writeFileSync(file, old);
    expect((await diagnose(store)).problems).toEqual([]);
  });

  test('an image without versions keeps the history that it has, until it is removed itself', async () => {
    const store = await storeWith(1);
    await untagVersion(store, 'a:latest');
    await prune(store, {});
    await later(() => collect(store));
    expect(listHistory(store, 'a').map(({action}) => action)).toEqual(['untag', 'import']);
    expect((await diagnose(store)).ok).toBe(true);
    await removeReference(store, 'a');
    expect(existsSync(store.layout.image('a'))).toBe(false);
  });

  test('a garbled line of the history costs that line, and no other', async () => {
    const store = await storeWith(3);
    const before = listHistory(store, 'a');
    const file = store.image('a').historyFile;
    const [first = '', , third = ''] = readFileSync(file, 'utf8').split('\n');
    writeFileSync(file, `${first}\n####\n${third}\n`);
    expect((await diagnose(store, {fix: true})).ok).toBe(true);
    const after = listHistory(store, 'a');
    expect(after.slice(-2)).toEqual([before[0], before[2]]);
    expect(readFileSync(`${file}.damaged`, 'utf8')).toContain('####');
  });
});

describe('what is somebody else’s', () => {
  test('stays in images/, and keeps an image that it lies in from being removed', async () => {
    const store = await storeWith(1);
    const paths = ['images/Notes.txt', 'images/notes/README', 'images/a/thesis.tex'].map((path) =>
      join(store.root, path),
    );
    mkdirSync(join(store.root, 'images/notes'));
    for (const path of paths) writeFileSync(path, 'years of work');
    await later(() => collect(store));
    await prune(store, {});
    const {problems} = await later(() => diagnose(store, {fix: true}));
    expect(problems.map(({kind}) => kind)).toEqual(['foreign', 'foreign', 'foreign']);
    await expect(removeReference(store, 'a', {force: true})).rejects.toMatchObject({code: 'FAILED'});
    expect(listVersions(store, 'a')).toHaveLength(1);
    expect(paths.map((path) => existsSync(path))).toEqual([true, true, true]);
  });

  test('a temporary of a writer that lives stays, however old; that of a dead one goes at once', async () => {
    const store = await storeWith(1);
    const ours = temporaryBeside(join(store.layout.sessions, 'x.json'));
    const others = ours.replace(`.${process.pid}-`, '.1-');
    for (const path of [ours, others]) writeFileSync(path, '');
    await later(() => collect(store));
    expect([existsSync(ours), existsSync(others)]).toEqual([true, false]);
  });
});

test('a session whose record is lost or torn is one again, with its work', async () => {
  const store = await storeWith(1);
  await begin(store, 'a', {name: 's'});
  await unmountRoot(store, store.sessions.get('s'));
  const {volume} = store.sessions.get('s');
  const work = join(store.layout.volumes, volume, 'fs/work');
  writeFileSync(work, 'of a day');
  writeFileSync(store.layout.session('s'), '');
  await later(() => collect(store));
  await expect(removeReference(store, 'a', {force: true})).rejects.toMatchObject({code: 'BUSY'});
  expect((await later(() => diagnose(store, {fix: true}))).ok).toBe(true);
  expect(store.sessions.get('s')).toMatchObject({volume, image: 'a', ephemeral: false});
  rmSync(store.layout.session('s'));
  await later(() => diagnose(store, {fix: true}));
  expect(store.sessions.list()).toEqual([expect.objectContaining({volume, ephemeral: false})]);
  expect(readFileSync(work, 'utf8')).toBe('of a day');
});

describe.each(['overlay', 'directory'])('several sessions that are mounted (%s)', (driver) => {
  const NAMES = ['one', 'other', 'third'];

  async function storeWithSessions(): Promise<Store> {
    const store = await storeWith(1, driver);
    for (const name of NAMES) {
      await begin(store, 'a', {name});
      writeFileSync(join(store.layout.mount(name), 'own'), name);
    }
    return store;
  }

  test.each([
    ['torn', (path: string) => writeFileSync(path, '')],
    ['gone', (path: string) => rmSync(path)],
  ])('and whose records are %s get their names back from where they are mounted', async (_, damage) => {
    const store = await storeWithSessions();
    for (const name of NAMES) damage(store.layout.session(name));
    // It is the mounts that tell.
    await collect(store);
    expect((await diagnose(store, {fix: true})).problems).toEqual([]);
    expect(store.sessions.list().map(({id}) => id)).toEqual(NAMES);
    for (const name of NAMES) {
      const root = await readyRoot(store, name);
      expect(readFileSync(join(root, 'own'), 'utf8')).toBe(name);
      await endSession(store, name);
    }
    expect((await diagnose(store)).problems).toEqual([]);
  });
});
