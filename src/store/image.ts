/**
 * One image's records: versions, tags, history. Readers take no lock: every file is replaced in one step, so a read
 * gives the state before or after a change. Writers hold the image's kernel lock, and the **one commit point** of
 * every change to the tags is the rename of refs.json: what it needs is durable before, nothing of it is valid until
 * then.
 *
 *     images/<name>/refs.json            the tags, and the number of their last move
 *     images/<name>/history.jsonl        every move of every tag
 *     images/<name>/versions/<id>.json   a version
 */
import {existsSync, readdirSync, renameSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError, errnoOf} from '../errors.ts';
import type {Ledger, LedgerEntry} from '../storage/ledger.ts';
import {isoTime} from '../system/clock.ts';
import {makeDirectoryDurably, readIfExists, syncDirectory, writeDurably} from '../system/files.ts';
import {withLock} from '../system/lock.ts';
import {appendHistory, readHistory, writeHistory} from './history.ts';
import type {Layout} from './layout.ts';
import {
  bare,
  formatRecord,
  readRecord,
  Refs,
  VersionRecord,
  type HistoryAction,
  type HistoryEntry,
} from './records.ts';

/** A change to the tags: null drops one. */
export type TagMoves = Readonly<Record<string, string | null>>;

export interface MoveReason {
  action: HistoryAction;
  by: string;
  message: string;
}

const NO_REFS: Refs = {seq: 0, tags: bare({})};
/** A version that is being removed: out of readers' sight, but it can still be put back. */
const REMOVING = '.removing';

export class Image {
  readonly name: string;
  /** Where every move is written to as well. */
  readonly ledger: Ledger | undefined;
  readonly #layout: Layout;
  readonly #directory: string;

  constructor(layout: Layout, name: string, ledger?: Ledger) {
    this.name = name;
    this.ledger = ledger;
    this.#layout = layout;
    this.#directory = layout.image(name);
  }

  get historyFile(): string {
    return join(this.#directory, 'history.jsonl');
  }

  /** The tags now. An image that does not exist has none. */
  refs(): Refs {
    return readRecord(Refs, this.#refsFile) ?? NO_REFS;
  }

  version(id: string): VersionRecord | undefined {
    return readRecord(VersionRecord, this.#versionFile(id));
  }

  /** Ids of all versions, oldest first. */
  versionIds(): string[] {
    return this.#versionFiles()
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -'.json'.length))
      .sort();
  }

  /** All versions, oldest first. */
  versions(): VersionRecord[] {
    return this.versionIds()
      .map((id) => this.version(id))
      .filter((version) => version !== undefined);
  }

  /** Ids of versions whose removal was begun and not ended. */
  removingIds(): string[] {
    return this.#versionFiles()
      .filter((name) => name.endsWith(REMOVING))
      .map((name) => name.slice(0, -`.json${REMOVING}`.length));
  }

  /**
   * All versions whose volumes are needed: also those out of sight, which may yet be put back. Undefined when a record
   * cannot be read, so that nobody takes its volume for needless.
   */
  allVersions(): VersionRecord[] | undefined {
    const files = new Set<string>();
    // A version that is put back meanwhile changes its name: whichever it has, one of three looks sees it.
    for (let look = 0; look < 3; look++) for (const name of this.#versionFiles()) files.add(name);
    const records = new Map<string, VersionRecord>();
    for (const name of files) {
      if (!name.endsWith('.json') && !name.endsWith(REMOVING)) continue;
      const path = join(this.#directory, 'versions', name);
      try {
        const record = readRecord(VersionRecord, path);
        if (record !== undefined) records.set(record.id, record);
      } catch (error) {
        if (error instanceof ChrootctlError && error.code === 'BAD_INPUT') return undefined;
        throw error;
      }
    }
    return [...records.values()];
  }

  /** Every move of every tag, oldest first. */
  history(): HistoryEntry[] {
    for (let before: number | undefined; ;) {
      // First the confirmed number, then the lines: lines only grow, so all up to the number are there.
      const {seq} = this.refs();
      try {
        return readHistory(this.historyFile, seq);
      } catch (error) {
        // Unless the image was removed between the two, and perhaps made anew.
        if (seq === before) throw error;
        before = seq;
      }
    }
  }

  /** Whether a tag has ever named the version; if not, its commit has not come to its commit point. */
  isPublished(id: string): boolean {
    return this.history().some(({to}) => to === id);
  }

  /** Whether there are neither versions nor tags, as before a first commit. */
  isEmpty(): boolean {
    const versions = [...this.versionIds(), ...this.removingIds()];
    return versions.length === 0 && Object.keys(this.refs().tags).length === 0;
  }

  exists(): boolean {
    return readIfExists(this.#refsFile) !== undefined || this.#versionFiles().length > 0;
  }

  /** Runs `work` as the only writer of this image. The lock is the kernel's and dies with this process. */
  async change<T>(work: (change: ImageChange) => Promise<T>): Promise<T> {
    return withLock(this.#layout.lock('image', this.name), () =>
      work(new ImageChange(this, this.#directory)),
    );
  }

  #versionFiles(): string[] {
    try {
      return readdirSync(join(this.#directory, 'versions'));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  #versionFile(id: string): string {
    return join(this.#directory, 'versions', `${id}.json`);
  }

  get #refsFile(): string {
    return join(this.#directory, 'refs.json');
  }
}

/** Moves of tags that belong together, from the state that they were made for. */
export interface PreparedMoves {
  refs: Refs;
  seq: number;
  entries: HistoryEntry[];
}

/** The tags after these moves. */
export function moved(
  tags: Readonly<Record<string, string>>,
  entries: readonly Pick<HistoryEntry, 'tag' | 'to'>[],
): Record<string, string> {
  const after = bare({...tags});
  for (const {tag, to} of entries) {
    if (to === null) Reflect.deleteProperty(after, tag);
    else after[tag] = to;
  }
  return after;
}

/** What the only writer of an image can do. */
export class ImageChange {
  readonly image: Image;
  readonly #directory: string;

  constructor(image: Image, directory: string) {
    this.image = image;
    this.#directory = directory;
  }

  /** Writes a version's record, durably. Nobody finds it by a tag yet. */
  addVersion(version: VersionRecord): void {
    makeDirectoryDurably(join(this.#directory, 'versions'));
    writeDurably(this.#versionFile(version.id), formatRecord(version));
  }

  /** Takes back a version that was added and that no tag has named. */
  withdrawVersion(id: string): void {
    rmSync(this.#versionFile(id), {force: true});
    syncDirectory(join(this.#directory, 'versions'));
  }

  /**
   * All moves happen in one step, or none. Moves that change nothing are left out.
   * @throws Unconfirmed when they have happened
   */
  async moveTags(moves: TagMoves, reason: MoveReason): Promise<void> {
    const prepared = this.prepareMoves(moves, reason);
    if (prepared.entries.length === 0) return;
    await this.image.ledger?.append(this.ledgerEntry(prepared));
    this.applyMoves(prepared);
  }

  /** What `moves` changes, as the history will tell it. */
  prepareMoves(moves: TagMoves, reason: MoveReason): PreparedMoves {
    const refs = this.image.refs();
    const seq = refs.seq + 1;
    const time = isoTime();
    const entries = Object.entries(moves)
      .filter(([tag, to]) => (refs.tags[tag] ?? null) !== to)
      .map(([tag, to]) => ({seq, time, tag, from: refs.tags[tag] ?? null, to, ...reason}));
    return {refs, seq, entries};
  }

  /** The same for the ledger. */
  ledgerEntry({seq, entries}: PreparedMoves): LedgerEntry {
    return {line: this.image.name, seq, text: JSON.stringify(entries)};
  }

  /** The commit point. @throws Unconfirmed when it is passed; after any other error nothing has moved */
  applyMoves({refs, seq, entries}: PreparedMoves): void {
    makeDirectoryDurably(this.#directory);
    appendHistory(this.image.historyFile, refs.seq, entries);
    writeDurably(join(this.#directory, 'refs.json'), formatRecord({seq, tags: moved(refs.tags, entries)}));
  }

  /** Begins a history anew from the tags as they are, after the file was taken away. */
  async restartHistory(reason: MoveReason): Promise<void> {
    const refs = this.image.refs();
    const time = isoTime();
    const seq = refs.seq + 1;
    const entries = Object.entries(refs.tags).map(([tag, to]) => ({
      seq,
      time,
      tag,
      from: null,
      to,
      ...reason,
    }));
    await this.image.ledger?.append(this.ledgerEntry({refs, seq, entries}));
    this.replaceHistory(entries, seq);
  }

  /** Puts this history, and the tags that come of it, in the place of what there is. The last move is number `seq`. */
  replaceHistory(entries: readonly HistoryEntry[], seq: number): void {
    makeDirectoryDurably(this.#directory);
    writeHistory(this.image.historyFile, entries);
    writeDurably(join(this.#directory, 'refs.json'), formatRecord({seq, tags: moved({}, entries)}));
  }

  /** Takes versions out of readers' sight; `putBack` undoes it, `dropVersions` ends it. Gives those that there are. */
  hideVersions(ids: readonly string[]): VersionRecord[] {
    const versions = ids.map((id) => {
      const version = this.image.version(id) ?? readRecord(VersionRecord, this.#hiddenFile(id));
      try {
        renameSync(this.#versionFile(id), this.#hiddenFile(id));
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error; // Hidden already, by a removal that was interrupted.
      }
      return version;
    });
    this.#syncVersions();
    return versions.filter((version) => version !== undefined);
  }

  putBack(ids: readonly string[]): void {
    for (const id of ids) renameSync(this.#hiddenFile(id), this.#versionFile(id));
    this.#syncVersions();
  }

  dropVersions(ids: readonly string[]): void {
    for (const id of ids) rmSync(this.#hiddenFile(id), {force: true});
    this.#syncVersions();
  }

  /** Removes the image itself, once it has no versions. @throws ChrootctlError BUSY */
  async dropImage(): Promise<void> {
    if (this.image.versionIds().length > 0 || this.image.removingIds().length > 0) {
      throw new ChrootctlError('BUSY', `image ${this.image.name} still has versions`);
    }
    await this.image.ledger?.forget(this.image.name);
    // Without tags there is no image; with tags and half of the rest there would be a damaged one.
    rmSync(join(this.#directory, 'refs.json'), {force: true});
    rmSync(this.#directory, {recursive: true, force: true});
  }

  /** Where the image has gone meanwhile, there is nothing to wait for. */
  #syncVersions(): void {
    const directory = join(this.#directory, 'versions');
    if (existsSync(directory)) syncDirectory(directory);
  }

  #versionFile(id: string): string {
    return join(this.#directory, 'versions', `${id}.json`);
  }

  #hiddenFile(id: string): string {
    return this.#versionFile(id) + REMOVING;
  }
}
