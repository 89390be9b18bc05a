/**
 * Images of which the driver's ledger knows more moves than the store's records do, and bringing the records up to it:
 * they were lost or are older (a backup that was put back), or a commit died after the ledger's entry and before its
 * own records.
 */
import {renameSync} from 'node:fs';
import * as v from 'valibot';
import {ChrootctlError} from '../errors.ts';
import type {Ledger, LedgerLine} from '../storage/ledger.ts';
import type {Image, ImageChange} from './image.ts';
import {HistoryEntry, parseRecord, VersionMemo} from './records.ts';
import type {Store} from './store.ts';
import {isThere} from '../system/files.ts';

export interface Ahead {
  image: string;
  /** Number of the last move in the ledger, and in the records. */
  ledger: number;
  records: number;
  /** Whether it is by one commit, as when that died halfway. */
  isInterrupted: boolean;
  /** Volumes of versions that the records do not know, or that no tag has named in them. */
  volumes: string[];
}

/** Those that are ahead for longer than a commit at work is; a move whose versions are all gone never happened. */
export async function imagesAhead(store: Store): Promise<Ahead[]> {
  const {ledger} = store.driver;
  if (ledger === undefined) return [];
  const suspects = [...(await ledger.heads())].filter(([image, head]) => head > seqOf(store.image(image)));
  if (suspects.length === 0) return [];
  const [lines, memos] = [await ledger.lines(), await memosOf(ledger)];
  const ahead: Ahead[] = [];
  for (const [image] of suspects) {
    // A commit that is at work holds the lock; when we have it, it has ended.
    await store.image(image).change(() => {
      const line = lines.find((candidate) => candidate.line === image);
      const found = line && aheadOf(store.image(image), line, memos);
      if (found !== undefined) ahead.push(found);
      return Promise.resolve();
    });
  }
  return ahead;
}

/**
 * Brings one image's records up to the ledger, if they are behind. A commit that died halfway is so brought to its end.
 * Tells what was made, in words for people.
 */
export async function catchUp(store: Store, name: string): Promise<string[]> {
  const {ledger} = store.driver;
  if (ledger === undefined) return [];
  return store.image(name).change(async (change) => {
    const line = (await ledger.lines()).find((candidate) => candidate.line === name);
    const memos = await memosOf(ledger);
    if (line === undefined || aheadOf(change.image, line, memos) === undefined) return [];
    return restore(store, change, line, memos);
  });
}

/**
 * Brings up to the ledger the images in which that knows one of these volumes as a version. Any others stay as they
 * are: records that were put back from a backup are a matter for a person.
 */
export async function catchUpOn(store: Store, volumes: readonly string[]): Promise<void> {
  const {ledger} = store.driver;
  if (ledger === undefined) return;
  const memos = (await memosOf(ledger)).filter(({volume}) => volumes.includes(volume));
  if (memos.length === 0) return;
  const lines = await ledger.lines();
  for (const {memo} of memos) {
    const line = lines.find((candidate) => candidate.line === memo.image);
    const isNamed = line?.entries.some((entry) => movesIn(line, entry).some(({to}) => to === memo.id));
    if (isNamed === true) await catchUp(store, memo.image);
  }
}

/** For the only writer of the image: makes the versions and the moves that its records lack. Tells what was made. */
export async function restore(
  store: Store,
  change: ImageChange,
  line: LedgerLine | undefined,
  memos: readonly Remembered[],
): Promise<string[]> {
  return [...(await restoreVersions(store, change, line, memos)), ...restoreMoves(change, line)];
}

async function restoreVersions(
  store: Store,
  change: ImageChange,
  line: LedgerLine | undefined,
  memos: readonly Remembered[],
): Promise<string[]> {
  const made: string[] = [];
  const {image} = change;
  const readable = image.versionIds().filter((id) => isReadable(() => image.version(id)));
  const known = new Set([...readable, ...image.removingIds()]);
  // A version that no move names is of a commit that was given up. Without moves, nothing is known of that.
  const named = line && new Set(line.entries.flatMap((entry) => movesIn(line, entry)).map(({to}) => to));
  for (const {volume, memo} of memos) {
    if (memo.image !== image.name || known.has(memo.id) || named?.has(memo.id) === false) continue;
    change.addVersion({...memo, volume, size: await store.driver.usage(volume)});
    made.push(`version ${image.name}@${memo.id}`);
  }
  return made;
}

/** Brings the tags and the history up to the ledger's last move. One of a version that is gone has no effect. */
function restoreMoves(change: ImageChange, line: LedgerLine | undefined): string[] {
  const {image} = change;
  const last = line?.entries.at(-1)?.seq ?? 0;
  if (line === undefined) return [];
  const present = isReadable(() => image.history()) ? image.refs().seq : -1;
  if (present >= last) return [];
  const moves = line.entries.flatMap((entry) => movesIn(line, entry));
  // What is there and not in the ledger stays beside it: a person may still want to look at it.
  if (isThere(image.historyFile) && !isAllIn(image, moves))
    renameSync(image.historyFile, `${image.historyFile}.before-rebuild`);
  change.replaceHistory(moves, last);
  return [`tags and history of ${image.name} (${last} moves)`];
}

/** Whether the history that is there tells of no other moves. */
function isAllIn(image: Image, moves: readonly HistoryEntry[]): boolean {
  const known = new Set(moves.map((move) => JSON.stringify(move)));
  return (
    isReadable(() => image.history()) && image.history().every((move) => known.has(JSON.stringify(move)))
  );
}

function aheadOf(image: Image, line: LedgerLine, memos: readonly Remembered[]): Ahead | undefined {
  const records = seqOf(image);
  const last = line.entries.at(-1);
  if (last === undefined || last.seq <= records) return undefined;
  // A commit may have been cut off between the version's record and the tags.
  const versions = new Set([...image.versionIds(), ...image.removingIds()]);
  const known = new Set([...publishedIn(image)].filter((id) => versions.has(id)));
  const unknown = memos.filter(({memo}) => memo.image === image.name && !known.has(memo.id));
  const isInterrupted = last.seq === records + 1;
  if (isInterrupted) {
    const moves = movesIn(line, last);
    const lacking = new Set(unknown.map(({memo}) => memo.id));
    if (!moves.some(({to}) => to !== null && lacking.has(to))) return undefined;
  }
  return {
    image: image.name,
    ledger: last.seq,
    records,
    isInterrupted,
    volumes: unknown.map(({volume}) => volume),
  };
}

function movesIn({line}: LedgerLine, {seq, text}: LedgerLine['entries'][number]): HistoryEntry[] {
  return parseRecord(v.array(HistoryEntry), text, `move ${seq} of ${line} in the ledger`);
}

/** Tags that cannot be read are as good as none. */
function seqOf(image: Image): number {
  let seq = 0;
  isReadable(() => (seq = image.refs().seq));
  return seq;
}

/** Of a history that cannot be read nothing is known. */
function publishedIn(image: Image): ReadonlySet<string> {
  let published: ReadonlySet<string> = new Set();
  isReadable(() => (published = image.published()));
  return published;
}

function isReadable(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof ChrootctlError && error.code === 'BAD_INPUT') return false;
    throw error;
  }
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
