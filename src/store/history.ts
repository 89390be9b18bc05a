/**
 * The history of an image's tags: one JSON line for each move, oldest first. Lines are written, and flushed, before
 * the move that they tell of; the sequence number in the refs says up to where they have come true. So a crash can
 * leave a line for a move that never happened, but never a move without its line.
 */
import {closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeFileSync} from 'node:fs';
import {ChrootctlError} from '../errors.ts';
import {naming, readText, writeDurably} from '../system/files.ts';
import {HistoryEntry, parseRecord, readable} from './records.ts';

/** The moves that happened, oldest first. A torn or unconfirmed end is not shown. @throws ChrootctlError BAD_INPUT */
export function readHistory(path: string, seq: number): HistoryEntry[] {
  const entries: HistoryEntry[] = [];
  for (const line of textOf(path).split('\n').slice(0, -1)) {
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

/** Whether there is a line in it, whatever that is. */
export function hasHistory(path: string): boolean {
  return textOf(path) !== '';
}

/**
 * What the history itself says happened, for when the tags are lost that say how far it is true: all whole lines that
 * follow on each other. The last move may be one that never happened, as when its commit died; so it counts only where
 * `isThere` knows the version that it leads to. Undefined for a history that no one move after another explains.
 */
export function readUnconfirmed(
  path: string,
  isThere: (version: string) => boolean,
): HistoryEntry[] | undefined {
  const lines = textOf(path).split('\n').slice(0, -1);
  const entries: HistoryEntry[] = [];
  for (const line of lines) {
    const entry = entryIn(line, path);
    const last = entries.at(-1)?.seq ?? 0;
    if (entry === undefined || entry.seq < last || entry.seq > last + 1) return undefined;
    entries.push(entry);
  }
  const last = entries.at(-1)?.seq;
  const lastMove = entries.filter(({seq}) => seq === last);
  const isTrue = lastMove.every(({to}) => to === null || isThere(to));
  return isTrue ? entries : entries.slice(0, -lastMove.length);
}

/** All moves up to number `seq` that can still be read, of a file that is damaged or gone. */
export function readWhatThereIs(path: string, seq: number): HistoryEntry[] {
  const lines = (readable(() => textOf(path)) ?? '').split('\n');
  return lines.flatMap((line) => entryIn(line, path) ?? []).filter((entry) => entry.seq <= seq);
}

function entryIn(line: string, path: string): HistoryEntry | undefined {
  return readable(() => parseRecord(HistoryEntry, line, path));
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
      refuseLater(text.slice(end), path, seq);
      return size - (text.length - end);
    }
    if (from > 0) continue;
    if (seq > 0) throw endsEarly(path, seq);
    refuseLater(text, path, seq);
    return 0;
  }
}

/** Behind move `seq` one may have been interrupted, and no more: the move after that was written when it had happened. */
function refuseLater(text: string, path: string, seq: number): void {
  let last = 0;
  for (const [, number] of text.matchAll(/^\{"seq":(\d+),/gm)) last = Math.max(last, Number(number));
  if (last <= seq + 1) return;
  throw new ChrootctlError('BAD_INPUT', `${path} tells of ${last} moves, the tags only know of ${seq}`, {
    hint: 'chrootctl doctor --fix makes the tags anew from the history',
  });
}

function endsEarly(path: string, seq: number): ChrootctlError {
  return new ChrootctlError('BAD_INPUT', `${path} is damaged: it ends before move ${seq}`, {
    hint: 'chrootctl doctor --fix keeps the file beside and goes on from what is readable',
  });
}

function textOf(path: string): string {
  return readText(path) ?? '';
}
