import {execFileSync} from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {PassThrough, Writable} from 'node:stream';
import {expect, test} from '@jest/globals';
import {packRoot} from '../../src/archive/pack.ts';
import {unpackRoot} from '../../src/archive/unpack.ts';
import {inTemporary} from './trees.ts';

/** A tree of `megabytes` that do not compress. */
function plant(directory: string, megabytes = 0): string {
  const tree = join(directory, 'tree');
  mkdirSync(join(tree, 'etc'), {recursive: true});
  writeFileSync(join(tree, 'etc/hostname'), 'here\n');
  if (megabytes > 0)
    execFileSync('dd', ['if=/dev/urandom', `of=${join(tree, 'random')}`, 'bs=1M', `count=${megabytes}`], {
      stdio: 'ignore',
    });
  return tree;
}

test.each(['none', 'gzip', 'xz', 'zstd'] as const)('a stream gets the archive (%s)', (compression) =>
  inTemporary(async (directory) => {
    const tree = plant(directory);
    const root = join(directory, 'root');
    mkdirSync(root);
    const stream = new PassThrough();
    const packing = packRoot(tree, stream, {compression}).then(() => stream.end());
    await unpackRoot(stream, root);
    await packing;
    expect(readFileSync(join(root, 'etc/hostname'), 'utf8')).toBe('here\n');
  }),
);

test('a file appears under its name when it is complete, readable by its owner only', () =>
  inTemporary(async (directory) => {
    const tree = plant(directory);
    const out = join(directory, 'out.tar');
    writeFileSync(out, 'the old one');
    await packRoot(tree, out, {compression: 'none'});
    expect(execFileSync('tar', ['-tf', out], {encoding: 'utf8'}).split('\n')).toContain('./etc/hostname');
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory).sort()).toEqual(['out.tar', 'tree']);
  }));

test('a symlink stays one, and what it points to is replaced', () =>
  inTemporary(async (directory) => {
    const tree = plant(directory);
    writeFileSync(join(directory, 'real'), '');
    symlinkSync('real', join(directory, 'out'));
    await packRoot(tree, join(directory, 'out'), {compression: 'none'});
    expect(lstatSync(join(directory, 'out')).isSymbolicLink()).toBe(true);
    expect(statSync(join(directory, 'real')).size).toBeGreaterThan(1024);
  }));

test('a device is written to, not replaced', () =>
  inTemporary(async (directory) => {
    const sink = join(directory, 'null');
    execFileSync('mknod', [sink, 'c', '1', '3']);
    await packRoot(plant(directory), sink, {compression: 'zstd'});
    expect(lstatSync(sink).isCharacterDevice()).toBe(true);
  }));

test('a full disk leaves the old file as it was', () =>
  inTemporary(async (directory) => {
    const tree = plant(directory, 4);
    const small = join(directory, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', small]);
    try {
      writeFileSync(join(small, 'out'), 'the old one');
      for (const compression of ['none', 'zstd', 'gzip'] as const) {
        await expect(packRoot(tree, join(small, 'out'), {compression})).rejects.toMatchObject({
          code: 'FAILED',
          message: expect.stringMatching(/No space left/),
          hint: expect.stringMatching(/space/),
        });
      }
      expect(readFileSync(join(small, 'out'), 'utf8')).toBe('the old one');
      expect(readdirSync(small)).toEqual(['out']);
    } finally {
      execFileSync('umount', [small]);
    }
  }));

test('a reader that goes away is a clear error', () =>
  inTemporary(async (directory) => {
    const tree = plant(directory, 4);
    const gone = new Writable({
      write(_chunk, _encoding, done) {
        done(Object.assign(new Error('write EPIPE'), {code: 'EPIPE', syscall: 'write'}));
      },
    });
    await expect(packRoot(tree, gone, {compression: 'none'})).rejects.toMatchObject({
      code: 'FAILED',
      message: expect.stringMatching(/reader/),
    });
  }));

test('places where no file can be', () =>
  inTemporary(async (directory) => {
    const tree = plant(directory);
    await expect(packRoot(tree, directory, {compression: 'none'})).rejects.toMatchObject({code: 'USAGE'});
    await expect(packRoot(tree, join(directory, 'no/such'), {compression: 'none'})).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    expect(existsSync(join(directory, 'no'))).toBe(false);
  }));
