/** Comparing trees of any depth, and files that are mostly holes. */
import {afterEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import fc from 'fast-check';
import {
  chmodSync,
  closeSync,
  cpSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {changesBetween} from '../../../src/storage/trees/changes.ts';
import {sameContent} from '../../../src/storage/trees/content.ts';
import {deleteTree} from '../../../src/storage/trees/delete.ts';
import {cleanUp, temporaryDirectory} from '../../temporary.ts';

afterEach(cleanUp);

/** Directories within each other, with a file in the innermost, and an attribute on it. */
const DIVE = `
import os,sys
os.chdir(sys.argv[1])
for _ in range(int(sys.argv[3])): os.mkdir(sys.argv[2]); os.chdir(sys.argv[2])
open("f","w").write(sys.argv[4]); os.setxattr("f","user.x",sys.argv[5].encode())`;

function nested(name: string, depth: number, content = '', attribute = ''): string {
  const top = join(temporaryDirectory(), 'tree');
  mkdirSync(top);
  execFileSync('python3', ['-c', DIVE, top, name, String(depth), content, attribute]);
  return top;
}

const LONG = 'n'.repeat(250);

test('trees that are deeper than a path can be', async () => {
  const [one, same, other, marked] = [
    nested(LONG, 600, 'a'),
    nested(LONG, 600, 'a'),
    nested(LONG, 600, 'b'),
    nested(LONG, 600, 'a', 'x'),
  ];
  const innermost = `${`/${LONG}`.repeat(600)}/f`;
  expect(await Array.fromAsync(changesBetween([one], [same]))).toEqual([]);
  expect(await Array.fromAsync(changesBetween([one], [other]))).toEqual([{path: innermost, kind: 'changed'}]);
  expect(await Array.fromAsync(changesBetween([one], [marked]))).toEqual([
    {path: innermost, kind: 'changed'},
  ]);
  const empty = join(temporaryDirectory(), 'tree');
  mkdirSync(empty);
  expect((await Array.fromAsync(changesBetween([one], [empty]))).length).toBe(601);
  // As layers, of which each may hide what lies below it.
  expect((await Array.fromAsync(changesBetween([empty, one], [one, empty]))).length).toBe(0);
  expect(openFiles().filter((path) => path.includes(LONG))).toEqual([]);
  for (const tree of [one, same, other, marked]) deleteTree(tree);
});

/** What our descriptors lead to; '' for what is closed meanwhile. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
}

test('what is nested too deeply is refused', async () => {
  const [one, other] = [nested('d', 4100), nested('d', 4100)];
  await expect(Array.fromAsync(changesBetween([one], [other]))).rejects.toMatchObject({
    code: 'FAILED',
    message: expect.stringMatching(/^[^\n]{1,300}nested too deeply/),
  });
  for (const tree of [one, other]) deleteTree(tree);
});

/** A file of a terabyte with a few bytes in it. */
function sparse(
  path: string,
  pieces: readonly (readonly [at: number, text: string])[],
  size = 2 ** 40,
): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, size);
  for (const [at, text] of pieces) writeSync(fd, text, at);
  closeSync(fd);
}

async function areSame(
  directory: string,
  ...pieces: (readonly (readonly [number, string])[])[]
): Promise<boolean> {
  const paths = pieces.map((each, index) => {
    const path = join(directory, String(index));
    sparse(path, each);
    return path;
  }) as [string, string];
  const stats = paths.map((path) => lstatSync(path)) as unknown as Parameters<typeof sameContent>[1];
  return sameContent(paths, stats);
}

test('holes are not read', async () => {
  const directory = temporaryDirectory();
  expect(await areSame(directory, [], [])).toBe(true);
  expect(await areSame(directory, [[2 ** 39, 'x']], [[2 ** 39, 'x']])).toBe(true);
  expect(await areSame(directory, [[2 ** 39, 'x']], [[2 ** 39, 'y']])).toBe(false);
  expect(await areSame(directory, [[2 ** 39, 'x']], [])).toBe(false);
  expect(await areSame(directory, [], [[2 ** 40 - 1, 'x']])).toBe(false);
  // Data that is all zeros is what a hole is.
  expect(await areSame(directory, [[2 ** 39, '\0']], [])).toBe(true);
});

test('files with holes are the same when their bytes are', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(3000), fc.constantFrom('\0', 'x', 'y')), {maxLength: 4}),
      fc.array(fc.tuple(fc.nat(3000), fc.constantFrom('\0', 'x', 'y')), {maxLength: 4}),
      async (some, others) => {
        const directory = temporaryDirectory();
        const scattered = (pieces: typeof some) => pieces.map(([at, text]) => [at * 3001, text] as const);
        const bytes = (pieces: typeof some) =>
          JSON.stringify([...new Map(pieces)].filter(([, text]) => text !== '\0').sort(([a], [b]) => a - b));
        expect(await areSame(directory, scattered(some), scattered(others))).toBe(
          bytes(some) === bytes(others),
        );
        rmSync(directory, {recursive: true});
      },
    ),
    {numRuns: 25},
  ));

test('more files alike than one look takes', async () => {
  const [one, other] = [join(temporaryDirectory(), 'one'), join(temporaryDirectory(), 'copy')];
  mkdirSync(one);
  for (let i = 0; i < 10_500; i++) writeFileSync(join(one, String(i)), '');
  cpSync(one, other, {recursive: true});
  writeFileSync(join(other, '10'), 'x');
  execFileSync('setfattr', ['-n', 'user.x', '-v', 'y', join(other, '10499')]);
  expect(await Array.fromAsync(changesBetween([one], [other]))).toEqual([
    {path: '/10', kind: 'changed'},
    {path: '/10499', kind: 'changed'},
  ]);
});

test('changes come as they are found, in the order of their paths', async () => {
  const [empty, tree] = [temporaryDirectory(), temporaryDirectory()];
  const paths = [
    '/a',
    '/a-',
    '/a-/x',
    '/a.',
    '/a/b',
    '/a/b/c',
    '/a/b-',
    '/ab',
    '/z',
    '/z/1',
    '/\u{10000}',
    '/\uff00',
  ];
  for (const path of paths)
    if (paths.some((other) => other.startsWith(`${path}/`))) mkdirSync(join(tree, path));
    else writeFileSync(join(tree, path), '');
  // Else it waits for a look at its attributes.
  chmodSync(tree, 0o711);
  const changes = changesBetween([empty], [tree]);
  expect(await changes.next()).toEqual({done: false, value: {path: '/', kind: 'changed'}});
  // It is not yet known what is in it.
  writeFileSync(join(tree, 'z/2'), '');
  expect((await Array.fromAsync(changes)).map(({path}) => path)).toEqual([...paths, '/z/2'].sort());
});

test('names that read the same are in order with all that is in them', async () => {
  const [empty, tree] = [temporaryDirectory(), temporaryDirectory()];
  for (const [byte, name] of [
    [0xfe, 'b'],
    [0xff, 'a'],
    [0xff, 'c'],
  ] as const) {
    const directory = Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([byte])]);
    mkdirSync(directory, {recursive: true});
    writeFileSync(Buffer.concat([directory, Buffer.from(`/${name}`)]), '');
  }
  const found = await Array.fromAsync(changesBetween([empty], [tree]));
  expect(found.map(({path}) => path)).toEqual(['/\ufffd', '/\ufffd', '/\ufffd/a', '/\ufffd/b', '/\ufffd/c']);
});

test('only what was asked for is compared', async () => {
  const [empty, tree] = [temporaryDirectory(), temporaryDirectory()];
  for (const path of ['a/b', 'c']) mkdirSync(join(tree, path), {recursive: true});
  for (const path of ['a/b/x', 'a/y']) writeFileSync(join(tree, path), '');
  const only = ['/a/b', '/c', '/d/e'];
  expect((await Array.fromAsync(changesBetween([empty], [tree], {only}))).map(({path}) => path)).toEqual([
    '/a/b',
    '/c',
  ]);
});
