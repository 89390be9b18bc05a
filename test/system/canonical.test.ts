import {afterEach, beforeEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {canonicalPath} from '../../src/system/canonical.ts';
import {cleanUp, temporaryDirectory} from '../temporary.ts';

afterEach(cleanUp);

let directory: string;
beforeEach(() => {
  directory = canonicalPath(temporaryDirectory());
});

function made(...names: string[]): string[] {
  return names.map((name) => {
    mkdirSync(join(directory, name), {recursive: true});
    return join(directory, name);
  });
}

function mount(...words: string[]): void {
  execFileSync('mount', words);
}

test('a symbolic link, also above what is not there yet', () => {
  const [real = ''] = made('real');
  symlinkSync('real', join(directory, 'link'));
  expect(canonicalPath(join(directory, 'link'))).toBe(real);
  expect(canonicalPath(join(directory, 'link/a/b'))).toBe(join(real, 'a/b'));
});

test('a bind mount of the directory, of one above it, and of it elsewhere once more', () => {
  const [real = '', one = '', above = '', two = ''] = made('real/store', 'one', 'above', 'two');
  mount('--bind', real, one);
  mount('--bind', join(directory, 'real'), above);
  mount('--bind', one, two);
  expect([one, join(above, 'store'), two].map(canonicalPath)).toEqual([real, real, real]);
});

test('on a file system of its own, which is mounted twice', () => {
  const [disk = '', again = '', part = ''] = made('disk', 'again and elsewhere', 'part');
  mount('-t', 'tmpfs', 'tmpfs', disk);
  const store = join(disk, 'store');
  mkdirSync(store);
  mount('--bind', disk, again);
  mount('--bind', store, part);
  expect([join(again, 'store'), part].map(canonicalPath)).toEqual([store, store]);
  // What only a part of it shows is all that there is to see from here.
  execFileSync('umount', [disk]);
  expect([join(again, 'store'), part].map(canonicalPath)).toEqual(Array(2).fill(join(again, 'store')));
});

test('what lies under another mount, or is mounted in another way, is not the same', () => {
  const [real = '', bound = '', readOnly = ''] = made('real', 'bound', 'read-only');
  mount('--bind', real, bound);
  mount('--bind', real, readOnly);
  mount('-o', 'remount,bind,ro', readOnly);
  expect(canonicalPath(readOnly)).toBe(readOnly);
  mount('-t', 'tmpfs', 'tmpfs', real);
  writeFileSync(join(real, 'other'), '');
  expect([canonicalPath(bound), canonicalPath(real)]).toEqual([bound, real]);
});
