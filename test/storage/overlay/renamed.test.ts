/** Directories of a parent that are renamed in a clone on overlay: nothing of that is left when it is frozen. */
import {afterEach, beforeEach, expect, test} from '@jest/globals';
import fc from 'fast-check';
import {execFileSync} from 'node:child_process';
import {existsSync, linkSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {OverlayDriver} from '../../../src/storage/overlay/driver.ts';
import {loopFileSystem} from '../../contract/loop.ts';
import {apply, renaming, startingTree} from '../../contract/operations.ts';
import {doing, listTree} from '../../contract/tree.ts';

let root: string;
let volumes: string;
let driver: OverlayDriver;
let cleanup: () => void;

beforeEach(() => {
  // Every freeze syncs a whole file system: on one of its own that takes no longer than this test's files do.
  ({directory: root, cleanup} = loopFileSystem('ext4'));
  volumes = join(root, 'volumes');
  driver = new OverlayDriver(volumes);
});

afterEach(() => {
  cleanup();
});

/** A frozen volume that these changes make. */
async function frozen(id: string, parent: string | undefined, change: (tree: string) => void): Promise<void> {
  await driver.create(id, parent === undefined ? {} : {parent});
  await driver.withTree(id, doing(change));
  await driver.freeze(id);
}

/** A clone of a volume with `old/inner/file`, in which `old` is renamed to `new`. */
async function renamed(): Promise<void> {
  await frozen('base', undefined, (tree) => {
    mkdirSync(join(tree, 'old/inner'), {recursive: true});
    writeFileSync(join(tree, 'old/inner/file'), Buffer.alloc(2e6, 1));
  });
  await driver.create('next', {parent: 'base'});
  await driver.withTree(
    'next',
    doing((tree) => renameSync(join(tree, 'old'), join(tree, 'new'))),
  );
}

const listing = (id: string): Promise<string[]> =>
  driver.withTree(id, (tree) => Promise.resolve(listTree(tree)));

/** Where in the volume's directory something is marked as renamed. */
function marksIn(id: string): string {
  return execFileSync('getfattr', ['-R', '-h', '-m', 'redirect', '.'], {
    cwd: join(volumes, id),
    encoding: 'utf8',
  });
}

const parts = (id: string): string[] => readdirSync(join(volumes, id)).sort();

test('any renames among any changes: what is frozen, and what is copied meanwhile, is what the session was', async () => {
  const some = fc.array(fc.array(renaming, {minLength: 2, maxLength: 8}), {minLength: 1, maxLength: 3});
  let round = 0;
  await fc.assert(
    fc.asyncProperty(some, some, fc.constantFrom(2, 32), async (before, after, depthLimit) => {
      driver = new OverlayDriver(volumes, {depthLimit});
      const id = (name: string): string => `r${round}${name}`;
      round++;
      const all = [startingTree(), ...before];
      for (const [n, operations] of all.entries())
        await frozen(id(`v${n}`), n === 0 ? undefined : id(`v${n - 1}`), (tree) => {
          for (const one of operations) apply(tree, one);
        });
      const base = id(`v${all.length - 1}`);
      await driver.create(id('s'), {parent: base});
      // Each time it is mounted anew.
      for (const operations of after)
        await driver.withTree(
          id('s'),
          doing((tree) => operations.forEach((one) => apply(tree, one))),
        );
      const [shown, changes] = [await listing(id('s')), await Array.fromAsync(driver.changes(base, id('s')))];
      await driver.snapshot(id('s'), id('c'));
      await driver.freeze(id('s'));
      for (const volume of [id('c'), id('s')]) {
        expect(marksIn(volume)).toBe('');
        expect(await listing(volume)).toEqual(shown);
        expect(await Array.fromAsync(driver.changes(base, volume))).toEqual(changes);
      }
    }),
    {numRuns: 8},
  );
}, 300_000);

test('a layer is made anew only when a directory was renamed', async () => {
  await renamed();
  await driver.create('apart', {parent: 'base'});
  await driver.withTree(
    'apart',
    doing((tree) => renameSync(join(tree, 'old/inner/file'), join(tree, 'file'))),
  );
  await driver.freeze('apart');
  expect(parts('apart')).toEqual(['fs', 'volume.json']);
  expect(marksIn('next')).toContain('fs/new');
  await driver.freeze('next');
  expect(parts('next')).toEqual(['merged', 'volume.json']);
});

test('what a renamed directory has from its parent takes no room', async () => {
  await renamed();
  await driver.freeze('next');
  expect(await driver.usage('next')).toBeLessThan(1e5);
  await driver.create('then', {parent: 'next'});
  await driver.withTree(
    'then',
    doing((tree) => renameSync(join(tree, 'new/inner'), join(tree, 'again'))),
  );
  await driver.freeze('then');
  expect(await driver.usage('then')).toBeLessThan(1e5);
});

test('a file with as many links as its file system takes is copied, from wherever it was', async () => {
  await renamed();
  const file = join(volumes, 'base/fs/old/inner/file');
  linkSync(file, join(volumes, 'base/fs/old/same'));
  for (let n = 0, full = false; n < 70_000 && !full; n++) {
    try {
      linkSync(file, join(root, `link${n}`));
    } catch {
      full = true;
    }
  }
  const before = await listing('next');
  await driver.freeze('next');
  expect(await listing('next')).toEqual(before);
});

test('a freeze that was killed while it put together what was renamed is done again by the next', async () => {
  await renamed();
  const before = await listing('next');
  for (const left of ['merged/half', 'work/renamed/0'])
    mkdirSync(join(volumes, 'next', left), {recursive: true});
  symlinkSync(join(volumes, 'base/fs'), join(volumes, 'next/work/renamed/0/old'));
  expect(await listing('next')).toEqual(before);
  await driver.freeze('next');
  expect(parts('next')).toEqual(['merged', 'volume.json']);
  expect(await listing('next')).toEqual(before);
  expect(existsSync(join(volumes, 'base/fs/old/inner/file'))).toBe(true);
});

test('a tree that is deeper than a path can be long is frozen all the same', async () => {
  await frozen('base', undefined, () => undefined);
  await driver.create('next', {parent: 'base'});
  const dig = 'name=$(printf %0200d 0); for _ in $(seq 30); do mkdir $name && cd -P $name || exit 1; done';
  await driver.withTree(
    'next',
    doing((tree) => execFileSync('sh', ['-c', dig], {cwd: tree})),
  );
  await driver.freeze('next');
  expect(parts('next')).toEqual(['fs', 'volume.json']);
});

test.each(['../base', '/../../../etc', 'old/inner', '/old/./inner', '/', ''])(
  'a mark that overlayfs has not written (%j) leads nowhere',
  async (mark) => {
    await renamed();
    execFileSync('setfattr', ['-n', 'trusted.overlay.redirect', '-v', mark, join(volumes, 'next/fs/new')]);
    const refused = {
      code: 'FAILED',
      message: expect.stringContaining('next/fs/new is marked as renamed') as unknown,
    };
    await expect(Array.fromAsync(driver.changes('base', 'next'))).rejects.toMatchObject(refused);
    await expect(driver.freeze('next')).rejects.toMatchObject(refused);
    expect(await driver.list()).toContainEqual(expect.objectContaining({id: 'next', state: 'active'}));
    expect(parts('next')).toEqual(['fs', 'volume.json', 'work']);
  },
);

test('dpkg makes a file of what was a directory', async () => {
  const pack = (version: string, make: (tree: string) => void): string => {
    const tree = join(root, `thing-${version}`);
    for (const path of ['DEBIAN', 'usr/share/thing']) mkdirSync(join(tree, path), {recursive: true});
    const fields = [
      'Package: thing',
      `Version: ${version}`,
      'Architecture: all',
      'Maintainer: m <m@localhost>',
    ];
    writeFileSync(join(tree, 'DEBIAN/control'), [...fields, 'Description: a thing', ''].join('\n'));
    make(join(tree, 'usr/share/thing/part'));
    execFileSync('dpkg-deb', ['--build', tree], {stdio: 'ignore'});
    return `${tree}.deb`;
  };
  const install = (tree: string, archive: string): void => {
    for (const path of ['info', 'updates']) mkdirSync(join(tree, 'var/lib/dpkg', path), {recursive: true});
    writeFileSync(join(tree, 'var/lib/dpkg/status'), '', {flag: 'a'});
    const options = [`--root=${tree}`, '--force-unsafe-io', `--log=${join(root, 'log')}`];
    execFileSync('dpkg', [...options, '--install', archive], {stdio: 'pipe'});
  };
  const first = pack('1', (part) => {
    mkdirSync(part);
    writeFileSync(join(part, 'inner'), '');
  });
  const second = pack('2', (part) => writeFileSync(part, 'a file'));
  await frozen('base', undefined, (tree) => install(tree, first));
  await frozen('next', 'base', (tree) => install(tree, second));
  const found = (await listing('next')).filter((line) => line.startsWith('"/usr/share/thing/'));
  expect(found).toEqual([expect.stringMatching(/^"\S+\/part" 100644 0:0 file 6 /)]);
});
