/**
 * What some drivers can remember beside the volumes: a copy of the store's records in the storage itself. Where the
 * storage moves without the records (a pool that is imported on another machine), or the records are lost, they are
 * made anew from it. To the driver all of it is opaque text; the records in the store's files stay the truth that
 * everything else reads.
 */

import {ChrootctlError} from '../errors.ts';

/** The store's records know less than the ledger: nothing may be built on them before they are brought up to date. */
export class StaleRecords extends ChrootctlError {
  constructor(message: string) {
    super('CONFLICT', message, {
      hint: 'the records are older than the storage (a backup that was put back?): chrootctl doctor --rebuild brings them up to date',
    });
  }
}

/** A change of the store's records that belongs to a volume's becoming immutable. */
export interface Note {
  /** Kept with the volume, and gone with it. */
  memo: string;
  entry: LedgerEntry;
}

/** One move in a line of moves (an image's). Numbers rise by one; the line's name is any text. */
export interface LedgerEntry {
  line: string;
  seq: number;
  text: string;
}

export interface LedgerLine {
  line: string;
  /** Oldest first, without gaps at the end. */
  entries: {seq: number; text: string}[];
}

/**
 * An entry is written before the store's own commit point. So the ledger may be one entry ahead, of a move that was
 * interrupted and never happened: the next one is written over it. If it is further ahead, the store's records are
 * older than the storage (a backup that was put back), and nothing may be built on them.
 */
export interface Ledger {
  /** Adds an entry, durably. @throws ChrootctlError CONFLICT when the ledger has gone on without the store's records */
  append(entry: LedgerEntry): Promise<void>;

  /** Drops a line with all its entries. Idempotent. */
  forget(line: string): Promise<void>;

  /** The number of the last entry of each line. */
  heads(): Promise<Map<string, number>>;

  /** All lines. */
  lines(): Promise<LedgerLine[]>;

  /** The memos of all frozen volumes that have one, by volume id. */
  memos(): Promise<Map<string, string>>;
}
