/**
 * Images of which the driver's ledger knows more moves than the store's records do: the records were lost or are older
 * (a backup that was put back), or a power cut came after the ledger's entry and before the record of it.
 */
import * as v from 'valibot';
import {ChrootctlError} from '../errors.ts';
import type {Ledger, LedgerLine} from '../storage/ledger.ts';
import {HistoryEntry, parseRecord, VersionMemo} from '../store/records.ts';
import type {Store} from '../store/store.ts';

export interface Ahead {
  image: string;
  /** Number of the last move in the ledger, and in the records. */
  ledger: number;
  records: number;
  /** Volumes of versions that the records do not know, or that no tag has named in them. */
  volumes: string[];
}

/** Those that are ahead for longer than a commit at work is; a move whose versions are all gone never happened. */
export async function imagesAhead(store: Store): Promise<Ahead[]> {
  const {ledger} = store.driver;
  if (ledger === undefined) return [];
  const suspects = [...(await ledger.heads())].filter(([image, head]) => head > seqOf(store, image));
  if (suspects.length === 0) return [];
  const [lines, memos] = [await ledger.lines(), await memosOf(ledger)];
  const ahead: Ahead[] = [];
  for (const [image] of suspects) {
    // A commit that is at work holds the lock; when we have it, it has ended.
    await store.image(image).change(() => {
      const line = lines.find((candidate) => candidate.line === image);
      const found = line && aheadOf(store, line, memos);
      if (found !== undefined) ahead.push(found);
      return Promise.resolve();
    });
  }
  return ahead;
}

function aheadOf(
  store: Store,
  {line: image, entries}: LedgerLine,
  memos: readonly Remembered[],
): Ahead | undefined {
  const records = seqOf(store, image);
  const last = entries.at(-1);
  if (last === undefined || last.seq <= records) return undefined;
  // A commit may have been cut off between the version's record and the tags.
  const known = new Set(versionsOf(store, image).filter((id) => isPublished(store, image, id)));
  const unknown = memos.filter(({memo}) => memo.image === image && !known.has(memo.id));
  if (last.seq === records + 1) {
    const moves = parseRecord(v.array(HistoryEntry), last.text, `move ${last.seq} of ${image} in the ledger`);
    if (!moves.some(({to}) => to !== null && unknown.some(({memo}) => memo.id === to))) return undefined;
  }
  return {image, ledger: last.seq, records, volumes: unknown.map(({volume}) => volume)};
}

/** Tags that cannot be read are as good as none. */
function seqOf(store: Store, image: string): number {
  try {
    return store.image(image).refs().seq;
  } catch (error) {
    if (error instanceof ChrootctlError && error.code === 'BAD_INPUT') return 0;
    throw error;
  }
}

/** Of a history that cannot be read nothing is known. */
function isPublished(store: Store, image: string, id: string): boolean {
  try {
    return store.image(image).isPublished(id);
  } catch (error) {
    if (error instanceof ChrootctlError && error.code === 'BAD_INPUT') return false;
    throw error;
  }
}

function versionsOf(store: Store, image: string): string[] {
  return [...store.image(image).versionIds(), ...store.image(image).removingIds()];
}

/** A version as its volume remembers it. */
export interface Remembered {
  volume: string;
  memo: VersionMemo;
}

/** @throws ChrootctlError BAD_INPUT when one cannot be understood */
export async function memosOf(ledger: Ledger): Promise<Remembered[]> {
  return [...(await ledger.memos())].map(([volume, text]) => ({
    volume,
    memo: parseRecord(VersionMemo, text, `the memo of volume ${volume}`),
  }));
}
