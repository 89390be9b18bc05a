/**
 * The disk that loses power: a partition with the store, and a small one that takes down what was acknowledged. As both
 * are one disk they have one log, which tells what came first.
 */
import {closeSync, ftruncateSync, openSync, writeSync} from 'node:fs';

/** Bytes. */
const MIB = 2 ** 20;
const SIZE = 2 ** 30;
const SECTOR = 512;

const STORE = {start: MIB, size: SIZE - 2 * MIB};
/** A block of it is a mark. */
export const MARKS = {start: SIZE - MIB, size: MIB};
export const MARK_SIZE = SECTOR;

/** Makes an empty disk with the two partitions. */
export function makeDisk(path: string): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    ftruncateSync(fd, SIZE);
    writeSync(fd, partitionTable(), 0, SECTOR, 0);
  } finally {
    closeSync(fd);
  }
}

/** A master boot record. */
function partitionTable(): Buffer {
  const table = Buffer.alloc(SECTOR);
  for (const [index, {start, size}] of [STORE, MARKS].entries()) {
    const at = 446 + index * 16;
    table[at + 4] = 0x83; // Linux
    table.writeUInt32LE(start / SECTOR, at + 8);
    table.writeUInt32LE(size / SECTOR, at + 12);
  }
  table.writeUInt16LE(0xaa55, 510);
  return table;
}

/** What the load takes down. */
export type Mark = 'ready' | Acknowledged;

/** A commit whose command has ended with 0. */
export interface Acknowledged {
  image: string;
  version: string;
  generation: string;
}

export function formatMark(mark: Mark): Buffer {
  const text = JSON.stringify(mark);
  if (text.length > MARK_SIZE) throw new Error(`too long for a mark: ${text}`);
  return Buffer.from(text.padEnd(MARK_SIZE));
}

export function parseMark(block: Buffer): Mark {
  return JSON.parse(block.toString()) as Mark;
}
