import {mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect, test} from '@jest/globals';
import fc from 'fast-check';
import {ArchiveCheck} from '../../src/archive/check.ts';
import {unpackRoot} from '../../src/archive/unpack.ts';
import {ChrootctlError} from '../../src/errors.ts';
import {archive, directory, entry, file, link, pax, symlink} from './tar-bytes.ts';
import {describe as describeTree, inTemporary, plantCanary} from './trees.ts';

const valid = archive(
  directory('./'),
  directory('bin/'),
  file('bin/sh'),
  link('bin/bash', 'bin/sh'),
  symlink('lib', 'usr/lib'),
  symlink('mtab', '/proc/mounts'),
  pax([
    ['path', 'a-long-name'],
    ['SCHILY.xattr.user.x', 'y'],
  ]),
  entry({name: 'short', body: Buffer.alloc(1500, 'x')}),
  entry({name: '././@LongLink', type: 'L', body: `${'n'.repeat(150)}\0`}),
  file('n'),
  entry({name: 'null', type: '3', major: 1, minor: 3}),
);

const HEADER_OFFSETS = Array.from({length: valid.length / 512}, (_block, index) => index * 512);
const mutation = fc.record({
  // Mostly where it matters: somewhere in a block that may be a header.
  at: fc.tuple(fc.constantFrom(...HEADER_OFFSETS), fc.nat(511)).map(([block, byte]) => block + byte),
  bytes: fc.oneof(
    fc.uint8Array({minLength: 1, maxLength: 12}),
    fc.constantFrom('../', '/', '\0', '7777', '2', '1', '3'),
  ),
});

/** Changes bytes; half the time the checksums are made right again, so that the change is what gets looked at. */
function mutate(
  mutations: {at: number; bytes: Uint8Array | string}[],
  repair: boolean,
  cut: number | null,
): Buffer {
  const bytes = Buffer.from(valid);
  for (const {at, bytes: patch} of mutations) Buffer.from(patch).copy(bytes, at);
  for (let at = 0; repair && at + 512 <= bytes.length; at += 512) {
    const block = bytes.subarray(at, at + 512);
    if (!block.subarray(257, 262).equals(Buffer.from('ustar'))) continue;
    block.fill(' ', 148, 156);
    block.write(
      `${block
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
      'latin1',
    );
  }
  return cut === null ? bytes : bytes.subarray(0, cut % bytes.length);
}

const mutated = fc
  .tuple(fc.array(mutation, {minLength: 1, maxLength: 4}), fc.boolean(), fc.option(fc.nat(), {freq: 6}))
  .map(([mutations, repair, cut]) => mutate(mutations, repair, cut));

test('the unchanged archive is good', () =>
  inTemporary(async (temporary) => {
    writeFileSync(join(temporary, 'tar'), valid);
    mkdirSync(join(temporary, 'root'));
    expect(await unpackRoot(join(temporary, 'tar'), join(temporary, 'root'))).toEqual({
      entries: 9,
      bytes: valid.length,
    });
  }));

test('a changed archive is unpacked inside its directory or refused, and nothing else', () =>
  inTemporary(async (temporary) => {
    const canary = plantCanary(temporary);
    const before = describeTree(canary);
    let number = 0;
    await fc.assert(
      fc.asyncProperty(mutated, async (bytes) => {
        const path = join(temporary, 'tar');
        const root = join(temporary, `root-${number++}`);
        writeFileSync(path, bytes);
        mkdirSync(root);
        const around = readdirSync(temporary);
        const error: unknown = await unpackRoot(path, root).catch((thrown: unknown) => thrown);
        if (error instanceof Error) expect(error).toMatchObject({name: 'ChrootctlError', code: 'BAD_INPUT'});
        expect(readdirSync(temporary)).toEqual(around);
        expect(describeTree(canary)).toEqual(before);
      }),
      {numRuns: 150},
    );
  }));

test('it makes no difference in which pieces an archive comes', () => {
  fc.assert(
    fc.property(
      mutated,
      fc.array(fc.integer({min: 1, max: 3000}), {minLength: 1, maxLength: 20}),
      (bytes, sizes) => {
        expect(verdict(bytes, sizes)).toEqual(verdict(bytes, [bytes.length]));
      },
    ),
    {numRuns: 2000},
  );
});

function verdict(bytes: Buffer, sizes: readonly number[]): unknown {
  const check = new ArchiveCheck();
  try {
    for (let at = 0, piece = 0; at < bytes.length; piece++) {
      const size = sizes[piece % sizes.length]!;
      check.write(bytes.subarray(at, at + size));
      at += size;
    }
    return check.end();
  } catch (error) {
    if (!(error instanceof ChrootctlError)) throw error;
    return error.message;
  }
}
