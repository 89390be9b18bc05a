/**
 * The history of an image's tags: one JSON line for each move, oldest first. Lines are written, and flushed, before
 * the move that they tell of; the sequence number in the refs says up to where they have come true. So a crash can
 * leave a line for a move that never happened, but never a move without its line.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {naming, writeDurably} from '../system/files.ts';
import {HistoryEntry, parseRecord} from './records.ts';

/** The moves that happened, oldest first. A torn or unconfirmed end is not shown. @throws ChrootctlError BAD_INPUT */
export function readHistory(path: string, seq: number): HistoryEntry[] {
  const entries: HistoryEntry[] = [];
  for (const line of readText(path).split('\n').slice(0, -1)) {
    // Moves have rising numbers, so the first line beyond is where an interrupted move began.
    const number = /^\{"seq":(\d+),/.exec(line)?.[1];
    if (number === undefined || Number(number) > seq) break;
    entries.push(parseRecord(HistoryEntry, line, path));
  }
  if ((entries.at(-1)?.seq ?? 0) < seq) throw endsEarly(path, seq);
  return entries;
}

/** Appends durably, in place of whatever an interrupted move left at the end. For the holder of the image's lock. */
export function appendHistory(path: string, seq: number, entries: readonly HistoryEntry[]): void {
  const fd = openSync(path, 'a+', 0o644);
  try {
    const length = confirmedLength(fd, path, seq);
    naming(path, () => {
      ftruncateSync(fd, length);
      writeFileSync(fd, linesOf(entries));
      fsyncSync(fd);
    });
  } finally {
    closeSync(fd);
  }
}

/** Replaces the file durably and in one step: whoever reads it meanwhile gets the old moves or the new ones. */
export function writeHistory(path: string, entries: readonly HistoryEntry[]): void {
  writeDurably(path, linesOf(entries));
}

function linesOf(entries: readonly HistoryEntry[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
}

/** Enough for the last moves as a rule. */
const TAIL_BYTES = 16 << 10;

/**
 * The number of bytes up to the end of move `seq`. Looked for from the end, so that a commit costs the same however
 * many came before it. @throws ChrootctlError BAD_INPUT
 */
function confirmedLength(fd: number, path: string, seq: number): number {
  if (seq === 0) return 0;
  const {size} = fstatSync(fd);
  for (let span = TAIL_BYTES; ; span *= 2) {
    const tail = Buffer.alloc(Math.min(span, size));
    const from = size - tail.length;
    readSync(fd, tail, 0, tail.length, from);
    // One character a byte. The line break in front makes the first line of the file like all others.
    const text = (from === 0 ? '\n' : '') + tail.toString('latin1');
    const begin = text.lastIndexOf(`\n{"seq":${seq},`) + 1;
    const end = text.indexOf('\n', begin) + 1;
    if (begin > 0 && end > 0) {
      parseRecord(HistoryEntry, Buffer.from(text.slice(begin, end), 'latin1').toString(), path);
      return size - (text.length - end);
    }
    if (from === 0) throw endsEarly(path, seq);
  }
}

function endsEarly(path: string, seq: number): ChrootctlError {
  return new ChrootctlError('BAD_INPUT', `${path} is damaged: it ends before move ${seq}`, {
    hint: 'chrootctl doctor --fix keeps the file beside and goes on from what is readable',
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
