/**
 * Sparse files in tars (GNU tar manual, "Storing Sparse Files"). Which bytes of the stream belong to a sparse file
 * follows for tar(1) from its map, not from its size; a map that disagrees with the size would make it read the
 * next headers as contents, or contents as headers. So every map is checked against the size.
 */
import {BLOCK, octal} from './header.ts';
import type {PaxRecord} from './pax.ts';

export type Regions = readonly number[];

const REGION = 24;

/** The byte counts of the regions in an old GNU header (four, at 386) or in one of its extensions (21, at 0). */
export function oldGnuRegions(
  block: Buffer,
  kind: 'header' | 'extension',
): {regions: number[]; more: boolean} | undefined {
  const [start, count, flag] = kind === 'header' ? [386, 4, 482] : [0, 21, 504];
  const regions: number[] = [];
  for (let index = 0; index < count; index++) {
    const at = start + index * REGION;
    // tar(1) takes an empty byte count field as the end of the list.
    if (block[at + 12] === 0) return block[flag] === 0 ? {regions, more: false} : undefined;
    const bytes = octal(block, at + 12, 12);
    if (octal(block, at, 12) === undefined || bytes === undefined) return undefined;
    regions.push(bytes);
  }
  return {regions, more: block[flag] !== 0};
}

/** How an extended header describes a sparse file; undefined when it does not, null when the description is broken. */
export function paxSparse(
  records: readonly PaxRecord[],
): {regions: Regions} | 'map in contents' | null | undefined {
  const sparse = records.filter(([keyword]) => keyword.startsWith('GNU.sparse.'));
  if (sparse.every(([keyword]) => keyword === 'GNU.sparse.name')) return undefined;
  const value = (keyword: string): string | undefined =>
    sparse.find(([key]) => key === `GNU.sparse.${keyword}`)?.[1];
  if (value('major') !== undefined) {
    return value('major') === '1' &&
      value('minor') === '0' &&
      value('map') === undefined &&
      value('offset') === undefined
      ? 'map in contents'
      : null;
  }
  const numbers = value('map')?.split(',').map(decimal) ?? offsetsAndSizes(sparse);
  if (
    numbers.includes(undefined) ||
    numbers.length % 2 !== 0 ||
    Number(value('numblocks')) * 2 !== numbers.length
  )
    return null;
  return {regions: (numbers as number[]).filter((_number, index) => index % 2 === 1)};
}

/** Format 0.0 repeats a pair of records for each region. Any other order is broken. */
function offsetsAndSizes(records: readonly PaxRecord[]): (number | undefined)[] {
  const pairs = records.filter(([key]) => key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes');
  const inOrder = pairs.every(([key], index) => (key === 'GNU.sparse.offset') === (index % 2 === 0));
  return inOrder ? pairs.map(([, value]) => decimal(value)) : [undefined];
}

/** A map has two numbers for each region; 16 digits are the most that a safe integer needs. */
const LONGEST_NUMBER = 16;

/**
 * The map at the start of the contents (format 1.0): decimal numbers, one a line, the first counts the regions, then
 * offset and byte count of each; padded to whole blocks.
 */
export class SparseMapReader {
  #digits = '';
  #numbers = 0;
  #regions = Infinity;
  readonly #byteCounts: number[] = [];

  /** Takes the next block: the regions once the map is complete, null when it is broken, else undefined. */
  push(block: Buffer): Regions | null | undefined {
    for (const char of block.toString('latin1')) {
      if (char !== '\n') {
        this.#digits += char;
        if (this.#digits.length > LONGEST_NUMBER) return null;
        continue;
      }
      const number = decimal(this.#digits);
      this.#digits = '';
      if (number === undefined) return null;
      if (this.#numbers === 0) this.#regions = number;
      else if (this.#numbers % 2 === 0) this.#byteCounts.push(number);
      if (this.#numbers++ === 2 * this.#regions) return this.#byteCounts;
    }
    return undefined;
  }
}

/** Whether tar(1), which starts each region at a new block, reads exactly the blocks that the size announces. */
export function fits(regions: Regions, size: number): boolean {
  return regions.reduce((sum, bytes) => sum + Math.ceil(bytes / BLOCK), 0) === Math.ceil(size / BLOCK);
}

function decimal(text: string): number | undefined {
  const value = /^[0-9]+$/.test(text) && text.length <= LONGEST_NUMBER ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}
