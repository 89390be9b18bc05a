/**
 * What a power cut leaves on a disk with a write-back cache: everything that was flushed, and of what was written
 * since then any part.
 */
import type {Random} from './random.ts';
import type {LogEntry} from './write-log.ts';

export interface Crash {
  /** The power is cut before this entry. */
  cut: number;
  /** Everything before this entry was flushed. */
  flushed: number;
  /** Of the entries from `flushed` to `cut`: those of which something survives, and how many bytes from its start. */
  survivors: {entry: number; length: number}[];
  /** How many writes are lost, and of how many only the beginning survives. */
  lost: number;
  torn: number;
}

/** Bytes that a disk writes all of or nothing. */
const ATOMIC = 4096;

/** Chances of an image that none of the unflushed writes survives, and of a write that survives to be torn. */
const ALL_LOST = 0.25;
const TORN = 0.2;

/** Cuts the power before entry `cut`. */
export function crash(entries: readonly LogEntry[], cut: number, random: Random): Crash {
  const result: Crash = {cut, flushed: flushedBefore(entries, cut), survivors: [], lost: 0, torn: 0};
  const loss = random.happens(ALL_LOST) ? 1 : random.fraction();
  for (let entry = result.flushed; entry < cut; entry++) {
    const {offset, length, isDurable} = entries[entry]!;
    if (length === 0) continue;
    if (isDurable) result.survivors.push({entry, length});
    else if (random.happens(loss)) result.lost++;
    else {
      const pieces = Math.ceil((offset + length) / ATOMIC) - Math.floor(offset / ATOMIC);
      const isTorn = pieces > 1 && random.happens(TORN);
      if (isTorn) result.torn++;
      // From the start of the first piece, which may lie before the write's.
      const end = (Math.floor(offset / ATOMIC) + 1 + random.below(pieces - 1)) * ATOMIC;
      result.survivors.push({entry, length: isTorn ? end - offset : length});
    }
  }
  return result;
}

/** How many entries, from the first on, a flush before `cut` made durable. */
export function flushedBefore(entries: readonly LogEntry[], cut: number): number {
  for (let entry = cut - 1; entry >= 0; entry--) if (entries[entry]!.isFlush) return entry;
  return 0;
}
