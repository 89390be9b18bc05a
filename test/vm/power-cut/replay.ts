/** Disks as a power cut leaves them, made from the log of a disk that was empty at first. */
import {execFileSync} from 'node:child_process';
import {closeSync, openSync, readSync, writeSync} from 'node:fs';
import type {Crash} from './crash.ts';
import type {LogEntry, ReadLog} from './write-log.ts';

export interface Applied {
  entry: number;
  /** Bytes from its start. */
  length: number;
}

/** Writes these entries, or their beginnings, in this order. */
export function applyEntries(
  entries: readonly LogEntry[],
  applied: readonly Applied[],
  {read, write}: {read: ReadLog; write: (data: Buffer, offset: number) => void},
): void {
  for (const {entry, length} of applied) {
    const {data, offset} = entries[entry]!;
    if (length > 0) write(data === undefined ? Buffer.alloc(length) : read(data, length), offset);
  }
}

/** Reads from an open file. */
export function readerOf(fd: number): ReadLog {
  return (position, length) => {
    const buffer = Buffer.alloc(length);
    readSync(fd, buffer, 0, length, position);
    return buffer;
  };
}

/** Makes images of one log, the earliest cut first: what was flushed is written once for all of them. */
export class Replay {
  readonly #entries: readonly LogEntry[];
  readonly #read: ReadLog;
  readonly #flushed: string;
  #written = 0;

  /** @param disk the disk as it was before the first entry; changes with every image */
  constructor(entries: readonly LogEntry[], read: ReadLog, disk: string) {
    this.#entries = entries;
    this.#read = read;
    this.#flushed = disk;
  }

  makeImage({flushed, survivors}: Crash, path: string): void {
    if (flushed < this.#written) throw new Error('images are made in the order of their cuts');
    const whole = this.#entries
      .slice(this.#written, flushed)
      .map(({length}, index) => ({entry: this.#written + index, length}));
    this.#apply(whole, this.#flushed);
    this.#written = flushed;
    execFileSync('cp', ['--sparse=always', '--reflink=auto', this.#flushed, path]);
    this.#apply(survivors, path);
  }

  #apply(applied: readonly Applied[], disk: string): void {
    const fd = openSync(disk, 'r+');
    try {
      applyEntries(this.#entries, applied, {
        read: this.#read,
        write: (data, offset) => writeSync(fd, data, 0, data.length, offset),
      });
    } finally {
      closeSync(fd);
    }
  }
}
