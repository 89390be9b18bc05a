import {describe, expect, test} from '@jest/globals';
import fc from 'fast-check';
import {crash} from './crash.ts';
import {applyEntries} from './replay.ts';
import {Random} from './random.ts';
import {parseWriteLog, type ReadLog} from './write-log.ts';

const SECTOR = 512;
const SECTORS = 64;

interface Request {
  sector: number;
  sectors: number;
  flush: boolean;
  fua: boolean;
  kind: 'write' | 'discard' | 'mark';
}

const requests: fc.Arbitrary<Request[]> = fc.array(
  fc.oneof(
    fc.record({
      sector: fc.nat(SECTORS - 1),
      sectors: fc.nat(24),
      flush: fc.boolean(),
      fua: fc.boolean(),
      kind: fc.constantFrom<Request['kind'][]>('write', 'write', 'write', 'discard', 'mark'),
    }),
    fc.constant<Request>({sector: 0, sectors: 0, flush: true, fua: false, kind: 'write'}),
  ),
  {maxLength: 60},
);

/** A log of these requests, as QEMU would write it; each writes its own number, counted from 1. */
function logOf(made: readonly Request[]): Buffer {
  const superblock = Buffer.alloc(SECTOR);
  superblock.writeBigUInt64LE(0x6a736677736872n, 0);
  superblock.writeBigUInt64LE(1n, 8);
  superblock.writeBigUInt64LE(BigInt(made.length), 16);
  superblock.writeUInt32LE(SECTOR, 24);
  const parts = made.flatMap((request, index) => {
    const {sector, sectors, flush, fua, kind} = request;
    const header = Buffer.alloc(SECTOR);
    header.writeBigUInt64LE(BigInt(sector), 0);
    header.writeBigUInt64LE(BigInt(lengthOf(request)), 8);
    const flags = [flush ? 1 : 0, fua ? 2 : 0, kind === 'discard' ? 4 : 0, kind === 'mark' ? 8 : 0];
    header.writeBigUInt64LE(BigInt(flags.reduce((sum, flag) => sum + flag)), 16);
    if (kind === 'mark') return [header, Buffer.alloc(SECTOR, 'a mark')];
    if (kind === 'discard') return [header];
    return [header, Buffer.alloc(Math.min(sectors, SECTORS - sector) * SECTOR, index + 1)];
  });
  return Buffer.concat([superblock, ...parts, Buffer.alloc(SECTOR)]);
}

const lengthOf = ({sector, sectors}: Request): number => Math.min(sectors, SECTORS - sector);

const reader =
  (log: Buffer): ReadLog =>
  (position, length) =>
    log.subarray(position, position + length);

test('a log is read as it was written', () => {
  fc.assert(
    fc.property(requests, (made) => {
      const log = logOf(made);
      const entries = parseWriteLog(reader(log));
      expect(entries).toEqual(
        made.map((request) => ({
          offset: request.sector * SECTOR,
          length: request.kind === 'mark' ? 0 : lengthOf(request) * SECTOR,
          isFlush: request.flush,
          isDurable: request.fua,
          data: request.kind === 'write' ? (expect.any(Number) as unknown) : undefined,
        })),
      );
      for (const [index, {data, length}] of entries.entries())
        if (data !== undefined)
          expect(log.subarray(data, data + length)).toEqual(Buffer.alloc(length, index + 1));
    }),
  );
});

test('what is no log is refused', () => {
  expect(() => parseWriteLog(reader(Buffer.alloc(SECTOR)))).toThrow('not a write log');
});

describe('a crash image', () => {
  const cases = requests.chain((made) =>
    fc.record({made: fc.constant(made), cut: fc.nat(made.length), seed: fc.nat()}),
  );

  test('has all that was flushed before the cut, and nothing but what was written before it', () => {
    fc.assert(
      fc.property(cases, ({made, cut, seed}) => {
        const image = imageOf(made, cut, seed);
        for (let sector = 0; sector < SECTORS; sector++)
          expect(possible(made, cut, sector)).toContain(image[sector * SECTOR]);
      }),
      {numRuns: 500},
    );
  });

  test('is the same for the same seed', () => {
    fc.assert(
      fc.property(cases, ({made, cut, seed}) => {
        expect(imageOf(made, cut, seed)).toEqual(imageOf(made, cut, seed));
      }),
    );
  });

  test('loses and tears what was not flushed', () => {
    const made: Request[] = Array.from({length: 40}, () => ({
      sector: 0,
      sectors: 64,
      flush: false,
      fua: false,
      kind: 'write',
    }));
    const entries = parseWriteLog(reader(logOf(made)));
    const crashes = Array.from({length: 50}, (_, seed) => crash(entries, 40, new Random(seed)));
    expect(crashes.every(({survivors, lost}) => survivors.length + lost === 40)).toBe(true);
    expect(crashes.some(({lost}) => lost === 40)).toBe(true);
    expect(crashes.some(({lost}) => lost > 0 && lost < 40)).toBe(true);
    expect(crashes.some(({torn}) => torn > 0)).toBe(true);
  });

  function imageOf(made: readonly Request[], cut: number, seed: number): Buffer {
    const log = logOf(made);
    const entries = parseWriteLog(reader(log));
    const image = Buffer.alloc(SECTORS * SECTOR);
    const write = (data: Buffer, offset: number): void => void data.copy(image, offset);
    const {flushed, survivors} = crash(entries, cut, new Random(seed));
    const whole = entries.slice(0, flushed).map(({length}, entry) => ({entry, length}));
    applyEntries(entries, [...whole, ...survivors], {read: reader(log), write});
    return image;
  }

  /** What a sector may hold: its last durable content, or what was written to it later. */
  function possible(made: readonly Request[], cut: number, sector: number): number[] {
    const before = made.slice(0, cut);
    const lastFlush = before.findLastIndex(({flush}) => flush);
    let contents = [0];
    for (const [index, request] of before.entries()) {
      const {kind, fua} = request;
      if (kind === 'mark' || sector < request.sector || sector >= request.sector + lengthOf(request))
        continue;
      const content = kind === 'discard' ? 0 : index + 1;
      contents = index < lastFlush || fua ? [content] : [...contents, content];
    }
    return contents;
  }
});
