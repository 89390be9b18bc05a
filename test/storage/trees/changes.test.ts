/** Comparing trees of any depth, and files that are mostly holes. */
import {afterEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import fc from 'fast-check';
import {
  closeSync,
  cpSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
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
  const before = readdirSync('/proc/self/fd').length;
  expect(await changesBetween([one], [same])).toEqual([]);
  expect(await changesBetween([one], [other])).toEqual([{path: innermost, kind: 'changed'}]);
  expect(await changesBetween([one], [marked])).toEqual([{path: innermost, kind: 'changed'}]);
  const empty = join(temporaryDirectory(), 'tree');
  mkdirSync(empty);
  expect((await changesBetween([one], [empty])).length).toBe(601);
  // As layers, of which each may hide what lies below it.
  expect((await changesBetween([empty, one], [one, empty])).length).toBe(0);
  expect(readdirSync('/proc/self/fd').length).toBe(before);
  for (const tree of [one, same, other, marked]) deleteTree(tree);
});

test('what is nested too deeply is refused', async () => {
  const [one, other] = [nested('d', 4100), nested('d', 4100)];
  await expect(changesBetween([one], [other])).rejects.toMatchObject({
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
  expect(await changesBetween([one], [other])).toEqual([
    {path: '/10', kind: 'changed'},
    {path: '/10499', kind: 'changed'},
  ]);
});
