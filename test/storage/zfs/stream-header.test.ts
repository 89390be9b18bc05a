import {describe, expect, test} from '@jest/globals';
import fc from 'fast-check';
import {streamDriverOf} from '../../../src/storage/registry.ts';
import {parseNvlist} from '../../../src/storage/zfs/nvlist.ts';
import {RECORD, StreamReader, type StreamHeader} from '../../../src/storage/zfs/stream-header.ts';

type Value = string | bigint | boolean | List;
interface List {
  [name: string]: Value;
}

/** Name-value lists as libnvpair packs them (XDR). */
function packed(list: List): Buffer {
  return Buffer.concat([Buffer.from([1, 1, 0, 0]), pairs(list)]);
}

function pairs(list: List): Buffer {
  return Buffer.concat([
    words(0, 1),
    ...Object.entries(list).map(([name, value]) => {
      const rest = Buffer.concat([text(name), encoded(value)]);
      return Buffer.concat([words(rest.length + 8, 0), rest]);
    }),
    words(0, 0),
  ]);
}

/** Type, number of elements, value. */
function encoded(value: Value): Buffer {
  if (typeof value === 'boolean') return words(1, 0);
  if (typeof value === 'string') return Buffer.concat([words(9, 1), text(value)]);
  if (typeof value === 'object') return Buffer.concat([words(19, 1), pairs(value)]);
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(value);
  return Buffer.concat([words(8, 1), number]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([words(bytes.length), bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

function words(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}

interface Begin {
  hdrtype?: bigint;
  features?: bigint;
  type?: number;
  guid?: bigint;
  from?: bigint;
  name?: string;
  payload?: Buffer;
}

function begin(
  {hdrtype = 1n, features = 4n, type = 2, guid = 0n, from = 0n, name = 'a@b', payload}: Begin,
  order: 'little' | 'big' = 'little',
): Buffer {
  const record = Buffer.alloc(RECORD);
  const long = (value: bigint, at: number): number =>
    order === 'little' ? record.writeBigUInt64LE(value, at) : record.writeBigUInt64BE(value, at);
  const word = (value: number, at: number): number =>
    order === 'little' ? record.writeUInt32LE(value, at) : record.writeUInt32BE(value, at);
  word(payload?.length ?? 0, 4);
  long(0x2f5bacbacn, 8);
  long((features << 2n) | hdrtype, 16);
  word(type, 32);
  long(guid, 40);
  long(from, 48);
  record.write(name, 56);
  return payload === undefined ? record : Buffer.concat([record, payload]);
}

function compound(fss: List, inner: Buffer, order?: 'little' | 'big'): Buffer {
  const payload = packed({tosnap: 'b', not_recursive: true, fss});
  return Buffer.concat([begin({hdrtype: 2n, payload}, order), Buffer.alloc(RECORD), inner]);
}

const one = (snapprops: List, origin = 7n): List => ({
  '0x1': {name: 'a', origin, props: {mountpoint: '/'}, snaps: {b: 5n}, snapprops: {b: snapprops}},
});

async function read(bytes: Buffer, size = 100): Promise<{header: StreamHeader; rest: Buffer}> {
  const reader = new StreamReader(pieces(bytes, size));
  const header = await reader.header();
  const rest: Buffer[] = [];
  for await (const chunk of reader.rest()) rest.push(chunk);
  return {header, rest: Buffer.concat(rest)};
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}

describe.each(['little', 'big'] as const)('a stream in %s-endian order', (order) => {
  const contents = Buffer.concat([
    begin({guid: 2n ** 64n - 1n, from: 3n, name: 'tank/x@y'}, order),
    Buffer.from('contents'),
  ]);

  test('is told by its first bytes', () => {
    expect(streamDriverOf(contents.subarray(0, 16))).toBe('zfs');
    expect(streamDriverOf(contents.subarray(0, 15))).toBeUndefined();
    expect(streamDriverOf(Buffer.alloc(512))).toBeUndefined();
  });

  test('without properties is passed on as it is', async () => {
    const {header, rest} = await read(contents);
    expect(header.begin).toMatchObject({
      guid: 2n ** 64n - 1n,
      fromGuid: 3n,
      name: 'tank/x@y',
      isFileSystem: true,
      isResuming: false,
    });
    expect(rest).toEqual(contents);
  });

  test('with properties gives them, and the stream proper; however it comes in pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string({unit: 'grapheme', minLength: 1}), fc.string({unit: 'grapheme'})),
        fc.integer({min: 1, max: 1000}),
        async (properties, size) => {
          const {header, rest} = await read(compound(one({...properties}), contents, order), size);
          expect(header.properties).toEqual(new Map(Object.entries(properties)));
          expect(header.originGuid).toBe(7n);
          expect(rest).toEqual(contents);
        },
      ),
      {numRuns: 50},
    );
  });
});

test('features are told', async () => {
  const flags = async (features: bigint): Promise<unknown> => (await read(begin({features}))).header.begin;
  expect(await flags(1n << 20n)).toMatchObject({isResuming: true, isRaw: false});
  expect(await flags(1n << 24n)).toMatchObject({isResuming: false, isRaw: true});
  expect((await read(begin({type: 3}))).header.begin.isFileSystem).toBe(false);
});

test('more than one snapshot is refused', async () => {
  const inner = begin({});
  const two = {'0x1': {...(one({})['0x1'] as List), snaps: {a: 1n, b: 2n}}};
  await expect(read(compound(two, inner))).rejects.toMatchObject({
    message: expect.stringContaining('2 snapshots') as unknown,
  });
  await expect(read(compound({...one({}), '0x2': {}}, inner))).rejects.toMatchObject({
    message: expect.stringContaining('2 datasets') as unknown,
  });
});

describe('whatever is damaged or cut off', () => {
  const whole = compound(one({'chrootctl:memo': '2:{}'}), begin({guid: 1n}));
  const position = fc.nat({max: whole.length - 1});

  test('is bad input where it is cut off', async () => {
    for (let length = 0; length < whole.length; length++)
      await expect(read(whole.subarray(0, length))).rejects.toMatchObject({code: 'BAD_INPUT'});
  });

  test('is bad input or another header where it is damaged, and nothing else goes wrong', async () => {
    await fc.assert(
      fc.asyncProperty(position, position, fc.uint8Array({maxLength: 8}), async (length, at, bytes) => {
        const bad = Buffer.from(whole);
        bad.set(bytes.subarray(0, whole.length - at), at);
        for (const damaged of [bad, bad.subarray(0, length)]) {
          const outcome = await read(damaged).catch((error: unknown) => error);
          if (outcome instanceof Error) expect(outcome).toMatchObject({code: 'BAD_INPUT'});
        }
      }),
      // No longer compound: the first record is all of the header.
      {examples: [[312, 16, Uint8Array.from([0])]]},
    );
  });
});

test('lists that are too deep are refused, and values of other types passed over', () => {
  const nest = (depth: number): List => (depth === 0 ? {} : {a: nest(depth - 1)});
  expect(() => parseNvlist(packed(nest(30)))).toThrow(/too deep/);
  expect(parseNvlist(packed({no: true, yes: 'x', n: 2n ** 63n}))).toEqual(
    new Map<string, unknown>([
      ['yes', 'x'],
      ['n', 2n ** 63n],
    ]),
  );
});
