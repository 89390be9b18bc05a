/** Every file of a store, damaged in every way: nothing that anybody made is deleted, and what is wrong is named or mended. */
import {expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {basename, dirname, join, relative} from 'node:path';
import {ChrootctlError} from '../../src/errors.ts';
import {importImage} from '../../src/images/import.ts';
import {listing, listVersions} from '../../src/images/list.ts';
import {setPolicy} from '../../src/images/set-policy.ts';
import {prune} from '../../src/images/prune.ts';
import {tagVersion} from '../../src/images/tags.ts';
import {begin} from '../../src/session/begin.ts';
import {commitSession} from '../../src/session/commit.ts';
import {listSessions} from '../../src/session/list.ts';
import {unmountRoot} from '../../src/session/root.ts';
import {Store} from '../../src/store/store.ts';
import {collect} from '../../src/upkeep/collect.ts';
import {diagnose} from '../../src/upkeep/doctor.ts';
import {temporaryDirectory} from '../temporary.ts';

/** What may have become of a file. */
const DAMAGE: Record<string, (path: string) => void> = {
  empty: (path) => writeFileSync(path, ''),
  half: (path) => {
    const text = readFileSync(path);
    writeFileSync(path, text.subarray(0, text.length / 2));
  },
  NULs: (path) => writeFileSync(path, Buffer.alloc(readFileSync(path).length)),
  'of another type': (path) => writeFileSync(path, '[]\n'),
  gone: (path) => rmSync(path),
  'a directory': (path) => {
    rmSync(path);
    mkdirSync(path);
  },
  'another of its kind': (path) => {
    const names = readdirSync(dirname(path)).filter(
      (name) => name.endsWith('.json') && name !== basename(path),
    );
    writeFileSync(path, names.length === 0 ? '{}' : readFileSync(join(dirname(path), names[0] ?? '')));
  },
};

/** What may have become of a directory of records. */
const DIRECTORY_DAMAGE: Record<string, (path: string) => void> = {
  gone: (path) => rmSync(path, {recursive: true}),
  empty: (path) => {
    rmSync(path, {recursive: true});
    mkdirSync(path);
  },
  'a file': (path) => {
    rmSync(path, {recursive: true});
    writeFileSync(path, '');
  },
  'a link to nowhere': (path) => {
    rmSync(path, {recursive: true});
    symlinkSync('nowhere', path);
  },
};

/** Image a with three versions, one upon the other and each with a file of its own; image b; a session with work in it. */
async function makeStore(root: string, driver: string): Promise<void> {
  const source = join(temporaryDirectory(), 'root');
  mkdirSync(join(source, 'etc'), {recursive: true});
  const store = await Store.open({root, driver});
  const mark = (volume: string, name: string): Promise<void> =>
    store.driver.withTree(volume, (tree) => {
      writeFileSync(join(tree, `mark-${name}`), name);
      return Promise.resolve();
    });
  for (const image of ['a', 'b']) {
    writeFileSync(join(source, 'mark-first'), image);
    await importImage(store, source, {target: image});
  }
  await begin(store, 'a', {name: 's'});
  for (const name of ['second', 'third', 'work']) {
    await unmountRoot(store, store.sessions.get('s'));
    await mark(store.sessions.get('s').volume, name);
    if (name !== 'work') await commitSession(store, 's', {tag: name});
  }
  await setPolicy(store, 'a', {profile: 'buildd'});
  await tagVersion(store, `a@${listVersions(store, 'a').at(-1)?.version ?? ''}`, 'first');
  await unmountRoot(store, store.sessions.get('s'));
}

/** Paths of all records but image b's, and of the directories that hold them. */
function recordsOf(root: string): string[] {
  const store = (path: string): string[] =>
    readdirSync(join(root, path), {withFileTypes: true}).flatMap((entry) => {
      const inner = join(path, entry.name);
      if (inner === 'images/b' || ['fs', 'merged', 'work'].includes(entry.name)) return [];
      return entry.isDirectory() ? store(inner) : entry.name.includes('.json') ? [inner] : [];
    });
  return store('');
}

/** Everything that somebody made. */
function marksIn(root: string): string[] {
  return execFileSync('find', [join(root, 'volumes'), '-name', 'mark-*'], {encoding: 'utf8'})
    .split('\n')
    .filter(Boolean)
    .map((path) => relative(root, path))
    .sort();
}

/** Two minutes later, so that nothing is spared for being young. */
async function later<T>(work: () => Promise<T>): Promise<T> {
  const now = Date.now;
  Date.now = () => now() + 120_000;
  try {
    return await work();
  } finally {
    Date.now = now;
  }
}

/** What was foreseen may fail; nothing else may. */
async function foreseen<T>(work: () => Promise<T>): Promise<T | ChrootctlError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ChrootctlError) return error;
    throw error;
  }
}

async function upkeep(root: string): Promise<{isNamed: boolean}> {
  const store = await Store.open({root});
  const before = await diagnose(store);
  await foreseen(() => collect(store));
  await foreseen(() => prune(store, {}));
  await diagnose(store, {fix: true});
  // What was mended is mended, and what was not does not look as if it were.
  expect((await diagnose(store, {fix: true})).fixed).toEqual([]);
  const listed = listVersions(store).map(({image, version}) => `${image}@${version}`);
  expect(listed).toEqual([...new Set(listed)]);
  await foreseen(() => collect(store));
  await foreseen(() => prune(store, {}));
  if (existsSync(join(root, 'images/b'))) {
    expect(listVersions(store, 'b')).toHaveLength(1);
    expect(listVersions(store).filter(({image}) => image === 'b')).toHaveLength(1);
  }
  expect(listing(store).versions).toEqual(listVersions(store));
  listSessions(store);
  return {isNamed: !before.ok};
}

async function tryAll(
  driver: string,
  damaged: (root: string) => [string, (root: string) => void][],
): Promise<void> {
  const [whole, root] = [join(temporaryDirectory(), 'store'), join(temporaryDirectory(), 'store')];
  await makeStore(whole, driver);
  const marks = marksIn(whole);
  const wrong: unknown[] = [];
  for (const [what, damage] of damaged(whole)) {
    rmSync(root, {recursive: true, force: true});
    execFileSync('cp', ['-a', whole, root]);
    damage(root);
    try {
      const {isNamed} = await later(() => upkeep(root));
      if (!isNamed) wrong.push(`${what}: all is well`);
    } catch (error) {
      wrong.push([what, error]);
    }
    const lost = marks.filter((mark) => !marksIn(root).includes(mark));
    if (lost.length > 0) wrong.push(`${what}: lost ${lost.join(' ')}`);
  }
  expect(wrong).toEqual([]);
}

test.each(['overlay', 'directory'])(
  'no record of a store of driver %s takes anything with it',
  async (driver) => {
    await tryAll(driver, (root) =>
      recordsOf(root).flatMap((path) =>
        Object.entries(DAMAGE).map(([name, damage]): [string, (root: string) => void] => [
          `${path} ${name}`,
          (store) => damage(join(store, path)),
        ]),
      ),
    );
  },
  300_000,
);

test('no directory of records does either', async () => {
  // Of those that hold nothing for now, nobody need be told that they are gone: they are made again.
  const directories = {
    ...Object.fromEntries(
      ['images', 'images/a', 'images/a/versions', 'sessions'].map((path) => [
        path,
        Object.keys(DIRECTORY_DAMAGE),
      ]),
    ),
    ...Object.fromEntries(['execs', 'locks', 'mnt'].map((path) => [path, ['a file', 'a link to nowhere']])),
  };
  await tryAll('overlay', () =>
    Object.entries(directories).flatMap(([path, kinds]) =>
      kinds.map((kind): [string, (root: string) => void] => [
        `${path} ${kind}`,
        (root) => DIRECTORY_DAMAGE[kind]?.(join(root, path)),
      ]),
    ),
  );
}, 300_000);
