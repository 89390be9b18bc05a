/** Stacks of layers that are merged show what they showed before. */
import {afterEach, beforeEach, describe, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import fc from 'fast-check';
import {existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {join, relative} from 'node:path';
import {chooseDepth, layersToMerge} from '../../../src/storage/overlay/flatten.ts';
import {mergeLayers} from '../../../src/storage/overlay/merge.ts';
import {OverlayDriver} from '../../../src/storage/overlay/driver.ts';
import {withMounted} from '../../../src/system/view.ts';
import {makeOddTree} from '../../contract/odd.ts';
import {loopFileSystem} from '../../contract/loop.ts';
import {anyOperation, apply, operation, startingTree, type Operation} from '../../contract/operations.ts';
import {doing, listTree} from '../../contract/tree.ts';

let root: string;
let volumes: string;
let cleanup: () => void;

beforeEach(() => {
  // Every freeze syncs a whole file system: on one of its own that takes no longer than this test's files do.
  ({directory: root, cleanup} = loopFileSystem('ext4'));
  volumes = join(root, 'volumes');
});

afterEach(() => {
  cleanup();
});

/** Makes one version per list of operations, the first without a parent, and returns their ids. */
async function commitAll(
  driver: OverlayDriver,
  commits: readonly Operation[][],
  prefix: string,
): Promise<string[]> {
  const ids: string[] = [];
  for (const operations of commits) {
    const parent = ids.at(-1);
    const id = `${prefix}${ids.length}`;
    await driver.create(id, parent === undefined ? {} : {parent});
    await driver.withTree(id, (tree) => {
      for (const one of operations) apply(tree, one);
      return Promise.resolve();
    });
    await driver.freeze(id);
    ids.push(id);
  }
  return ids;
}

async function listing(driver: OverlayDriver, id: string, times: 'all' | 'none'): Promise<string[]> {
  return driver.withTree(id, (tree) => Promise.resolve(listTree(tree, {times})));
}

/** Names of the layers of a volume in the volumes directory, top first. */
async function layersOf(driver: OverlayDriver, id: string | undefined): Promise<string[]> {
  return (await driver.plan(id ?? '')).layers.map((layer) => relative(volumes, layer));
}

/** What a stack of layers of the volumes directory shows. */
async function listStack(layers: readonly string[]): Promise<string[]> {
  const absolute = layers.map((layer) => join(volumes, layer));
  const [only = ''] = absolute;
  if (absolute.length === 1) return listTree(only, {times: 'all'});
  const options = [
    'ro',
    'redirect_dir=nofollow',
    'metacopy=off',
    'index=off',
    `lowerdir=${layers.join(':')}`,
  ];
  const plan = {type: 'overlay', source: 'overlay', options, workingDirectory: volumes, layers: absolute};
  return withMounted(plan, (tree) => Promise.resolve(listTree(tree, {times: 'all'})));
}

function commits(operations: fc.Arbitrary<Operation>, longest: number): fc.Arbitrary<Operation[][]> {
  return fc
    .array(fc.array(operations, {maxLength: 8}), {minLength: 2, maxLength: longest})
    .map((rest) => [startingTree(), ...rest]);
}

describe('merged layers', () => {
  test('any changes over any versions, merged at any depth, give what they give in a plain directory', async () => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(commits(operation, 10), fc.integer({min: 1, max: 4}), async (all, depthLimit) => {
        const driver = new OverlayDriver(volumes, {depthLimit});
        const prefix = `r${round++}v`;
        const ids = await commitAll(driver, all, prefix);
        const model = mkdtempSync(join(root, 'model-'));
        for (const [index, operations] of all.entries()) {
          for (const one of operations) apply(model, one);
          const id = ids[index] ?? '';
          expect((await driver.plan(id)).layers.length).toBeLessThanOrEqual(depthLimit);
          if (index < all.length - 2) continue;
          expect((await listing(driver, id, 'none')).slice(1)).toEqual(
            listTree(model, {times: 'none'}).slice(1),
          );
        }
      }),
      {numRuns: 25},
    );
  }, 300_000);

  test('any part of any stack, merged, shows exactly the same, times, links and attributes too', async () => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(commits(anyOperation, 5), async (all) => {
        const driver = new OverlayDriver(volumes);
        const ids = await commitAll(driver, all, `r${round++}v`);
        const layers = await layersOf(driver, ids.at(-1));
        const before = await listStack(layers);
        for (let from = 0; from < layers.length; from++) {
          for (let to = from + 2; to <= layers.length; to++) {
            const target = `r${round}m${from}n${to}`;
            const part = layers.slice(from, to);
            await mergeLayers(volumes, part, layers.slice(to), join(volumes, target));
            expect(await listStack([...layers.slice(0, from), target, ...layers.slice(to)])).toEqual(before);
          }
        }
      }),
      {numRuns: 15},
    );
  }, 300_000);

  test('what a layer hides stays hidden when it is merged with others above layers that still have it', async () => {
    const driver = new OverlayDriver(volumes);
    const everywhere = (operation: (path: string) => Operation): Operation[] =>
      ['gone', 'replaced', 'covered', 'over-file'].map((path) => operation(path));
    const full = [
      ...everywhere((path) => ({kind: 'mkdir', path})),
      ...everywhere((path) => ({kind: 'write', path: `${path}/old`, content: 'old'})),
    ];
    const remove = (path: string): Operation => ({kind: 'remove', path});
    const mkdir = (path: string): Operation => ({kind: 'mkdir', path});
    const ids = await commitAll(
      driver,
      [
        full,
        [remove('gone'), {kind: 'replace', path: 'replaced'}, remove('covered'), remove('over-file')],
        [{kind: 'write', path: 'over-file', content: 'a file'}],
        [mkdir('covered'), remove('over-file'), mkdir('over-file')],
        [
          {kind: 'write', path: 'replaced/new', content: ''},
          {kind: 'chmod', path: 'covered', mode: 0o700},
        ],
      ],
      'v',
    );
    const layers = [...ids].reverse().map((id) => `${id}/fs`);
    const before = await listStack(layers);
    expect(before.filter((line) => line.includes('old'))).toEqual([]);
    for (const [from, to] of [
      [0, 4],
      [0, 3],
      [1, 4],
      [0, 2],
      [1, 3],
      [2, 4],
    ] as const) {
      const target = `m${from}n${to}`;
      await mergeLayers(volumes, layers.slice(from, to), layers.slice(to), join(volumes, target));
      expect(await listStack([...layers.slice(0, from), target, ...layers.slice(to)])).toEqual(before);
    }
  });

  test('what was made and deleted in a directory that hides another leaves no name behind', async () => {
    const driver = new OverlayDriver(volumes);
    const ids = await commitAll(
      driver,
      [
        [
          {kind: 'mkdir', path: 'a'},
          {kind: 'write', path: 'a/b', content: 'old'},
        ],
        [{kind: 'replace', path: 'a'}],
        [{kind: 'mkdir', path: 'a/b'}],
        [{kind: 'remove', path: 'a/b'}],
      ],
      'v',
    );
    const layers = [...ids].reverse().map((id) => `${id}/fs`);
    const before = await listStack(layers);
    await mergeLayers(volumes, layers.slice(0, 3), ['v0/fs'], join(volumes, 'm0n3'));
    expect(await listStack(['m0n3', 'v0/fs'])).toEqual(before);
  });

  test('so it does in one that is made anew after another of its name was removed further down', async () => {
    const driver = new OverlayDriver(volumes);
    const make = (path: string): Operation => ({kind: 'mkdir', path});
    const remove = (path: string): Operation => ({kind: 'remove', path});
    const ids = await commitAll(
      driver,
      [
        [make('a'), make('a/b'), make('a/b/old')],
        [remove('a')],
        [make('a'), make('a/b'), make('a/b/c'), make('a/d')],
        [remove('a/b/c'), remove('a/d')],
      ],
      'v',
    );
    const layers = [...ids].reverse().map((id) => `${id}/fs`);
    const before = await listStack(layers);
    await mergeLayers(volumes, layers.slice(0, 2), layers.slice(2), join(volumes, 'm0n2'));
    expect(await listStack(['m0n2', ...layers.slice(2)])).toEqual(before);
  });

  test('an odd tree, changed and merged, is the same to the last attribute', async () => {
    const driver = new OverlayDriver(volumes);
    await driver.create('base');
    await driver.withTree('base', async (tree) => makeOddTree(tree));
    await driver.freeze('base');
    await driver.create('next', {parent: 'base'});
    await driver.withTree('next', async (tree) => {
      rmSync(join(tree, 'links'), {recursive: true});
      rmSync(join(tree, 'attributes/acl'));
      mkdirSync(join(tree, 'again'));
      return makeOddTree(join(tree, 'again'));
    });
    await driver.freeze('next');
    const before = await listing(driver, 'next', 'all');
    expect(before.length).toBeGreaterThan(70);
    await mergeLayers(volumes, ['next/fs', 'base/fs'], [], join(volumes, 'merged'));
    expect(listTree(join(volumes, 'merged'), {times: 'all'})).toEqual(before);
  });

  test('a file with as many links as its file system takes is copied', async () => {
    const driver = new OverlayDriver(volumes);
    await driver.create('base');
    await driver.withTree('base', (tree) => {
      writeFileSync(join(tree, 'file'), 'content');
      linkSync(join(tree, 'file'), join(tree, 'same'));
      for (let n = 0, full = false; n < 70_000 && !full; n++)
        full = !linked(join(tree, 'file'), join(root, `link${n}`));
      return Promise.resolve();
    });
    await driver.freeze('base');
    await driver.create('next', {parent: 'base'});
    await driver.freeze('next');
    const before = await listing(driver, 'next', 'all');
    await mergeLayers(volumes, ['next/fs', 'base/fs'], [], join(volumes, 'merged'));
    expect(listTree(join(volumes, 'merged'), {times: 'all'})).toEqual(before);
  });

  test('a freeze that was killed while merging is done again by the next', async () => {
    const driver = new OverlayDriver(volumes, {depthLimit: 1});
    await driver.create('base');
    await driver.freeze('base');
    await driver.create('next', {parent: 'base'});
    await driver.withTree(
      'next',
      doing((tree) => writeFileSync(join(tree, 'file'), '')),
    );
    mkdirSync(join(volumes, 'next/merged'));
    writeFileSync(join(volumes, 'next/merged/half'), '');
    await driver.freeze('next');
    expect(readdirSync(join(volumes, 'next')).sort()).toEqual(['merged', 'volume.json']);
    expect(await driver.withTree('next', (tree) => Promise.resolve(readdirSync(tree)))).toEqual(['file']);
    mkdirSync(join(volumes, 'next/fs'));
    await driver.freeze('next');
    expect(existsSync(join(volumes, 'next/fs'))).toBe(false);
  });

  test('what a merged layer shares with its parent is not its own usage', async () => {
    const driver = new OverlayDriver(volumes, {depthLimit: 1});
    await driver.create('base');
    await driver.withTree(
      'base',
      doing((tree) => writeFileSync(join(tree, 'big'), Buffer.alloc(3e6, 1))),
    );
    await driver.freeze('base');
    await driver.create('next', {parent: 'base'});
    await driver.withTree(
      'next',
      doing((tree) => writeFileSync(join(tree, 'small'), Buffer.alloc(1e5, 1))),
    );
    await driver.freeze('next');
    expect(await driver.usage('next')).toBeLessThan(5e5);
    await driver.remove('base');
    expect(readdirSync(volumes).filter((name) => !name.startsWith('.'))).toEqual(['next']);
    expect(await driver.usage('next')).toBeGreaterThan(3e6);
  });
});

describe('the choice of layers to merge', () => {
  /** For layers of so many entries, top first. */
  function choose(limit: number, ...sizes: number[]): Promise<number> {
    return chooseDepth(sizes.length, limit, (index, most) => Math.min(sizes[index] ?? 0, most + 1));
  }

  test('nothing is merged within the limit', async () => {
    expect(await choose(3, 1, 1, 1)).toBe(1);
  });

  test('small layers are merged, a large one below them is not', async () => {
    expect(await choose(5, 1, 2, 3, 1, 100, 5)).toBe(4);
  });

  test('a large one is merged when the stack would be too deep otherwise', async () => {
    expect(await choose(3, 1, 50, 60, 500, 2000)).toBe(3);
  });

  test('layers of real directories are counted with all that is in them', async () => {
    const driver = new OverlayDriver(volumes);
    const write = (path: string): Operation => ({kind: 'write', path, content: ''});
    const big: Operation[] = [
      {kind: 'mkdir', path: 'a'},
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => write(`a/${n}`)),
    ];
    const ids = await commitAll(driver, [big, [write('b')], [write('c')]], 'v');
    const layers = [...ids].reverse().map((id) => `${id}/fs`);
    expect([await layersToMerge(volumes, layers, 2), await layersToMerge(volumes, layers, 1)]).toEqual([
      2, 3,
    ]);
  });

  test('the depth stays within the limit, and few entries are merged again and again', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({min: 2, max: 32}),
        fc.array(fc.integer({min: 1, max: 50}), {maxLength: 300}),
        async (limit, commits) => {
          let stack = [10_000];
          let work = 0;
          for (const entries of commits) {
            stack = [entries, ...stack];
            const count = await choose(limit, ...stack);
            const merged = stack.slice(0, count).reduce((sum, size) => sum + size);
            if (count > 1) work += merged;
            stack = [merged, ...stack.slice(count)];
            expect(stack.length).toBeLessThanOrEqual(limit);
          }
          // The base is merged at most when the changes have grown to half of it; without the rule, every time.
          const all = commits.reduce((sum, size) => sum + size, 0);
          if (limit > 16) expect(work).toBeLessThanOrEqual(20 * all);
        },
      ),
    );
  });
});

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch {
    return false; // EMLINK: as many as it takes.
  }
}

const DIVE = 'import os,sys\nos.chdir(sys.argv[1])\nfor _ in range(40): os.mkdir("n"*250); os.chdir("n"*250)';

test('layers with paths that are too long for a merge are left as they are', async () => {
  const driver = new OverlayDriver(volumes, {depthLimit: 1});
  await driver.create('base');
  await driver.freeze('base');
  await driver.create('deep', {parent: 'base'});
  await driver.withTree(
    'deep',
    doing((tree) => void execFileSync('python3', ['-c', DIVE, tree])),
  );
  await driver.freeze('deep');
  expect(await layersOf(driver, 'deep')).toEqual(['deep/fs', 'base/fs']);
  await driver.create('next', {parent: 'deep'});
  await driver.freeze('next');
  expect((await Array.fromAsync(driver.changes('base', 'next'))).length).toBe(40);
  expect(await driver.check()).toEqual([]);
  await driver.remove(['next', 'deep', 'base']);
  expect(await driver.list()).toEqual([]);
});
