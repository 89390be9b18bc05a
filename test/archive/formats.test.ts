import {execFileSync, spawn} from 'node:child_process';
import {
  createReadStream,
  ftruncateSync,
  mkdirSync,
  openSync,
  closeSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {Readable} from 'node:stream';
import {describe, expect, test} from '@jest/globals';
import {chooseCompression, compressionOf, compressionOfBytes} from '../../src/archive/compression.ts';
import {unpackRoot} from '../../src/archive/unpack.ts';
import {archive, directory, entry, file, symlink} from './tar-bytes.ts';
import {describe as describeTree, inTemporary} from './trees.ts';

const tree = archive(
  directory('./'),
  directory('etc/'),
  file('etc/hostname', 'here\n'),
  symlink('mtab', '/proc/mounts'),
);
const COMPRESSORS = {gzip: ['gzip', '-c'], xz: ['xz', '-c'], zstd: ['zstd', '-qc']} as const;
const compress = (name: keyof typeof COMPRESSORS, bytes: Buffer): Buffer =>
  execFileSync(COMPRESSORS[name][0], COMPRESSORS[name].slice(1), {input: bytes});

test.each([
  ['a.tar', 'none'],
  ['a', 'none'],
  ['-', 'none'],
  ['a.tar.gz', 'gzip'],
  ['A.TGZ', 'gzip'],
  ['a.tar.xz', 'xz'],
  ['a.txz', 'xz'],
  ['a.tar.zst', 'zstd'],
  ['a.tzst', 'zstd'],
  ['gz', 'none'],
])('the name %s asks for %s', (name, compression) => expect(compressionOf(name)).toBe(compression));

test('an asked compression comes before the name, an unknown one is refused', () => {
  expect(chooseCompression('xz', 'a.gz')).toBe('xz');
  expect(chooseCompression(undefined, 'a.gz')).toBe('gzip');
  expect(() => chooseCompression('lzma', 'a')).toThrow(expect.objectContaining({code: 'USAGE'}));
});

describe.each(['gzip', 'xz', 'zstd'] as const)('%s', (name) => {
  const bytes = compress(name, tree);

  test('is told by its content', () => expect(compressionOfBytes(bytes)).toBe(name));

  test.each(['file', 'stream'])('is unpacked from a %s', (way) =>
    inTemporary(async (temporary) => {
      const [path, root] = [join(temporary, 'x.wrong-name'), join(temporary, 'root')];
      writeFileSync(path, bytes);
      mkdirSync(root);
      // One byte at a time at first: the kind must not depend on how a pipe delivers.
      const pieces = [...bytes.subarray(0, 20)].map((byte) => Buffer.from([byte]));
      const source = way === 'file' ? path : Readable.from([...pieces, bytes.subarray(20)]);
      expect(await unpackRoot(source, root)).toEqual({entries: 4, bytes: tree.length});
      expect(readFileSync(join(root, 'etc/hostname'), 'utf8')).toBe('here\n');
    }),
  );

  test.each(['cut', 'changed'])('is refused when it is %s', (how) =>
    inTemporary(async (temporary) => {
      const big = compress(
        name,
        archive(
          entry({name: 'big', body: Buffer.from(Array.from({length: 200_000}, (_b, i) => (i * i) % 253))}),
        ),
      );
      const bad = how === 'cut' ? big.subarray(0, big.length - 6) : Buffer.from(big);
      // The check sum at the end: nothing else tells.
      if (how === 'changed') bad[bad.length - (name === 'xz' ? 20 : 5)]! ^= 0xff;
      for (const source of [join(temporary, 'bad'), Readable.from([bad])]) {
        writeFileSync(join(temporary, 'bad'), bad);
        const root = join(temporary, typeof source);
        mkdirSync(root);
        await expect(unpackRoot(source, root)).rejects.toMatchObject({
          code: 'BAD_INPUT',
          message: expect.stringContaining(name),
        });
      }
    }),
  );
});

test('a missing decompressor is named', () =>
  inTemporary(async (temporary) => {
    const path = process.env['PATH'];
    process.env['PATH'] = temporary;
    try {
      writeFileSync(join(temporary, 'x'), compressedWithout(path, tree));
      mkdirSync(join(temporary, 'root'));
      await expect(unpackRoot(join(temporary, 'x'), join(temporary, 'root'))).rejects.toMatchObject({
        code: 'FAILED',
        message: expect.stringMatching(/cannot start/),
        hint: expect.stringMatching(/install/),
      });
    } finally {
      process.env['PATH'] = path;
    }
  }));

function compressedWithout(path: string | undefined, bytes: Buffer): Buffer {
  return execFileSync('zstd', ['-qc'], {input: bytes, env: {PATH: path}});
}

test('a named pipe is read as a stream', () =>
  inTemporary(async (temporary) => {
    const [pipe, root] = [join(temporary, 'pipe'), join(temporary, 'root')];
    execFileSync('mkfifo', [pipe]);
    mkdirSync(root);
    writeFileSync(join(temporary, 'tar'), tree);
    const writer = spawn('cp', [join(temporary, 'tar'), pipe]);
    expect(await unpackRoot(pipe, root)).toEqual({entries: 4, bytes: tree.length});
    writer.kill();
  }));

test('a root entry gives the directory its mode and owner, without one it is as roots are', () =>
  inTemporary(async (temporary) => {
    for (const [name, parts, mode] of [
      ['with', [entry({name: './', type: '5', mode: '0000711'})], 0o711],
      ['without', [file('a')], 0o755],
    ] as const) {
      writeFileSync(join(temporary, `${name}.tar`), archive(...parts));
      mkdirSync(join(temporary, name), {mode: 0o700});
      await unpackRoot(join(temporary, `${name}.tar`), join(temporary, name));
      expect(statSync(join(temporary, name)).mode & 0o7777).toBe(mode);
    }
  }));

test('sources that are not there or cannot be read', () =>
  inTemporary(async (temporary) => {
    mkdirSync(join(temporary, 'root'));
    await expect(unpackRoot(join(temporary, 'missing'), join(temporary, 'root'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const broken = new Readable({read: () => undefined});
    setTimeout(() => broken.destroy(new Error('gone')), 20);
    await expect(unpackRoot(broken, join(temporary, 'root'))).rejects.toMatchObject({
      code: 'FAILED',
      message: 'gone',
    });
  }));

test.each([
  ['gnu', ['--format=gnu', '--sparse']],
  ['pax 0.0', ['--format=posix', '--sparse', '--sparse-version=0.0']],
  ['pax 0.1', ['--format=posix', '--sparse', '--sparse-version=0.1']],
  ['pax 1.0', ['--format=posix', '--sparse', '--sparse-version=1.0']],
  ['ustar', ['--format=ustar']],
  ['v7', ['--format=v7']],
  ['volume label', ['--label=x']],
])('what tar(1) packs as %s comes back', (_format, args) =>
  inTemporary(async (temporary) => {
    const [from, root, tar] = [join(temporary, 'from'), join(temporary, 'root'), join(temporary, 'tar')];
    mkdirSync(from);
    mkdirSync(root);
    // More regions than a header, and than one extension of it, holds.
    const fd = openSync(join(from, 'holes'), 'w');
    for (let region = 0; region < 60; region++)
      writeSync(fd, Buffer.alloc(5000, region), 0, 5000, region * 65_536);
    ftruncateSync(fd, 5_000_000);
    closeSync(fd);
    writeFileSync(join(from, 'n'.repeat(90)), 'after the holes');
    execFileSync('touch', [
      '-d',
      '@1700000000',
      ...['holes', 'n'.repeat(90), '.'].map((name) => join(from, name)),
    ]);
    execFileSync('tar', ['-c', '--sort=name', '--numeric-owner', ...args, '-f', tar, '-C', from, '.']);
    await unpackRoot(tar, root);
    const sizes = (lines: string[]): string[] => lines.map((line) => line.replace(/ (holes|full) /, ' '));
    expect(sizes(describeTree(root))).toEqual(sizes(describeTree(from)));
    await unpackRoot(createReadStream(tar), join(temporary, 'root'));
  }),
);
