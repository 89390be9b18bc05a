/** Deleting trees of any shape. */
import {afterEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {deleteLargeTree, deleteTree} from '../../../src/storage/trees/delete.ts';
import {cleanUp, temporaryDirectory} from '../../temporary.ts';

afterEach(cleanUp);

/** Directories within each other, made without ever naming a long path; a file in each. */
const DIVE =
  'import os,sys\nos.chdir(sys.argv[1])\nfor _ in range(int(sys.argv[3])): os.mkdir(sys.argv[2]); os.chdir(sys.argv[2]); open("f","w").close()';

function nested(name: string, depth: number): string {
  const top = join(temporaryDirectory(), 'tree');
  mkdirSync(top);
  execFileSync('python3', ['-c', DIVE, top, name, String(depth)]);
  return top;
}

test.each([
  ['long names', 'n'.repeat(250), 600],
  ['many levels', 'd', 5000],
])('deeper than a path can be: %s', (_, name, depth) => {
  const top = nested(name, depth);
  expect(deleteTree(top)).toBe(true);
  expect(existsSync(top)).toBe(false);
});

test('what a budget has left is deleted by the next call, or by rm(1)', () => {
  const top = nested('n'.repeat(250), 300);
  for (let calls = 1; !deleteTree(top, {left: 100}); calls++) expect(calls).toBeLessThan(20);
  expect(existsSync(top)).toBe(false);
  const other = nested('n'.repeat(250), 300);
  expect(deleteTree(other, {left: 100})).toBe(false);
  execFileSync('rm', ['-rf', other]);
});

test('names that look like those of what is brought up', async () => {
  const top = nested('d', 250);
  for (const name of ['.deep-', '.deep-0123456789']) mkdirSync(join(top, name, 'x'), {recursive: true});
  writeFileSync(join(top, '.deep-file'), '');
  await deleteLargeTree(top);
  expect(existsSync(top)).toBe(false);
});

test('links are not followed, and what is not there is no error', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'kept/below'), {recursive: true});
  const top = join(directory, 'tree');
  mkdirSync(join(top, 'below'), {recursive: true});
  symlinkSync(join(directory, 'kept'), join(top, 'below/link'));
  symlinkSync('nowhere', join(top, 'dangling'));
  await deleteLargeTree(top);
  expect(readdirSync(directory)).toEqual(['kept']);
  expect(readdirSync(join(directory, 'kept'))).toEqual(['below']);
  expect(deleteTree(top)).toBe(true);
});
