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
import {existsSync, renameSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError, errnoOf} from '../errors.ts';
import type {Ledger, LedgerEntry} from '../storage/ledger.ts';
import {isoTime} from '../system/clock.ts';
import {
  makeDirectoryDurably,
  removeIfExists,
  setAside,
  syncDirectory,
  writeDurably,
} from '../system/files.ts';
import {withLock} from '../system/lock.ts';
import {appendHistory, readHistory, readWhatThereIs, writeHistory} from './history.ts';
import {GONE, type Layout} from './layout.ts';
import {
  formatRecord,
  messageIfDamaged,
  readable,
  readRecord,
  VersionRecord,
  type HistoryAction,
  type HistoryEntry,
  type Refs,
} from './records.ts';
import {beginRefs, filesIn, historyFile, moved, mendTornRefs, readRefs, refsFile, writeRefs} from './refs.ts';

/** A change to the tags: null drops one. */
export type TagMoves = Readonly<Record<string, string | null>>;

export interface MoveReason {
  action: HistoryAction;
  by: string;
  message: string;
}

/** A version that is being removed: out of readers' sight, but it can still be put back. */
const REMOVING = '.removing';
/** Beside the tags of an image that is being removed itself, and not only its last version. */
const DROPPING = 'removing';
/** All that we ever put into an image's directory. */
const OURS = /^(?:refs\.json|history\.jsonl|versions|removing)(?:\.|$)/;

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
    return historyFile(this.#directory);
  }

  /** The tags now. An image that does not exist has none. @throws ChrootctlError BAD_INPUT, also when they are lost */
  refs(): Refs {
    return readRefs(this.#directory);
  }

  version(id: string): VersionRecord | undefined {
    return readRecord(VersionRecord, this.#versionFile(id));
  }

  /** Ids of all versions, oldest first. */
  versionIds(): string[] {
    return (readable(() => this.#versionFiles()) ?? [])
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -'.json'.length))
      .sort();
  }

  /** All versions that can be read, oldest first. */
  versions(): VersionRecord[] {
    return this.versionIds().flatMap((id) => readable(() => this.version(id)) ?? []);
  }

  /** Ids of versions whose removal was begun and not ended. */
  removingIds(): string[] {
    return (readable(() => this.#versionFiles()) ?? [])
      .filter((name) => name.endsWith(REMOVING))
      .map((name) => name.slice(0, -`.json${REMOVING}`.length));
  }

  /** All versions whose volumes are needed: also those out of sight, which may yet be put back. And what cannot be read. */
  records(): {versions: VersionRecord[]; damaged: string[]} {
    const files = new Set<string>();
    // A version that is put back meanwhile changes its name: whichever it has, one of three looks sees it.
    for (let look = 0; look < 3; look++) for (const name of this.#versionFiles()) files.add(name);
    const records = new Map<string, VersionRecord>();
    const damaged: string[] = [];
    for (const name of files) {
      if (!name.endsWith('.json') && !name.endsWith(REMOVING)) continue;
      const complaint = messageIfDamaged(() => {
        const record = readRecord(VersionRecord, join(this.#directory, 'versions', name));
        if (record !== undefined) records.set(record.id, record);
      });
      damaged.push(...(complaint === undefined ? [] : [complaint]));
    }
    return {versions: [...records.values()], damaged};
  }

  /** What of its tags and versions cannot be read, in a line each. */
  complaints(): string[] {
    const ofTags = messageIfDamaged(() => this.refs()) ?? [];
    const ofVersions = messageIfDamaged(() => this.#versionFiles()) ?? this.records().damaged;
    return [ofTags, ofVersions].flat();
  }

  /** The same; undefined when one cannot be read, so that nobody takes its volume for needless. */
  allVersions(): VersionRecord[] | undefined {
    const {versions, damaged} = this.records();
    return damaged.length === 0 ? versions : undefined;
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

  /**
   * Whether it is what the death of a first commit left, or of the image's own removal: there are no versions, no tags and
   * nothing that ever happened, unless it was to go with all of that. One whose versions were all removed has a history.
   */
  isNobodys(): boolean {
    if (this.versionIds().length > 0 || this.removingIds().length > 0) return false;
    const {seq, tags} = this.refs();
    const isEmpty = Object.keys(tags).length === 0 && (seq === 0 || existsSync(this.#droppingFile));
    return isEmpty && this.foreign() === undefined;
  }

  exists(): boolean {
    return existsSync(refsFile(this.#directory)) || this.#versionFiles().length > 0;
  }

  /** Something in its directory that chrootctl has not put there. */
  foreign(): string | undefined {
    const strange = (directory: string, ours: RegExp): string | undefined => {
      const name = filesIn(directory).find((candidate) => !ours.test(candidate));
      return name === undefined ? undefined : join(directory, name);
    };
    return strange(this.#directory, OURS) ?? strange(join(this.#directory, 'versions'), /\.json(?:\.|$)/);
  }

  /** Runs `work` as the only writer of this image. The lock is the kernel's and dies with this process. */
  async change<T>(work: (change: ImageChange) => Promise<T>): Promise<T> {
    return withLock(this.#layout.lock('image', this.name), () =>
      work(new ImageChange(this, this.#directory)),
    );
  }

  #versionFiles(): string[] {
    return filesIn(join(this.#directory, 'versions'));
  }

  #versionFile(id: string): string {
    return join(this.#directory, 'versions', `${id}.json`);
  }

  get #droppingFile(): string {
    return join(this.#directory, DROPPING);
  }
}

/** Moves of tags that belong together, from the state that they were made for. */
export interface PreparedMoves {
  refs: Refs;
  seq: number;
  entries: HistoryEntry[];
}

/** What the only writer of an image can do. */
export class ImageChange {
  readonly image: Image;
  readonly #directory: string;

  constructor(image: Image, directory: string) {
    this.image = image;
    this.#directory = directory;
  }

  /** Tags whose file is torn, as the history tells of them, if that is certain. */
  mendTornTags(): void {
    mendTornRefs(this.#directory);
  }

  /** Writes a version's record, durably. Nobody finds it by a tag yet. */
  addVersion(version: VersionRecord): void {
    beginRefs(this.#directory);
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

  /**
   * The commit point.
   * @throws Unconfirmed when it is passed; after any other error nothing has moved
   * @throws ChrootctlError CONFLICT when others have moved tags since, who cannot have had the lock that we have: its file
   *   was removed
   */
  applyMoves({refs, seq, entries}: PreparedMoves): void {
    beginRefs(this.#directory);
    if (this.image.refs().seq !== refs.seq) {
      throw new ChrootctlError('CONFLICT', `tags of ${this.image.name} have moved under our lock`, {
        hint: 'somebody removed files in the directory locks of the store: try again',
      });
    }
    appendHistory(this.image.historyFile, refs.seq, entries);
    writeRefs(this.#directory, {seq, tags: moved(refs.tags, entries)});
  }

  /**
   * Goes on from what can be read of a history that is damaged: with moves that lead from there to the tags as they are.
   * The file as it was is kept beside.
   */
  async mendHistory(reason: MoveReason): Promise<void> {
    const refs = this.image.refs();
    const kept = readWhatThereIs(this.image.historyFile, refs.seq);
    const told = moved({}, kept);
    const [seq, time] = [refs.seq + 1, isoTime()];
    const entries = [...new Set([...Object.keys(told), ...Object.keys(refs.tags)])]
      .map((tag) => ({seq, time, tag, from: told[tag] ?? null, to: refs.tags[tag] ?? null, ...reason}))
      .filter(({from, to}) => from !== to);
    await this.image.ledger?.append(this.ledgerEntry({refs, seq, entries}));
    setAside(this.image.historyFile);
    this.replaceHistory([...kept, ...entries], entries.length === 0 ? (kept.at(-1)?.seq ?? 0) : seq);
  }

  /** Puts this history, and the tags that come of it, in the place of what there is. The last move is number `seq`. */
  replaceHistory(entries: readonly HistoryEntry[], seq: number): void {
    makeDirectoryDurably(this.#directory);
    writeHistory(this.image.historyFile, entries);
    writeRefs(this.#directory, {seq, tags: moved({}, entries)});
  }

  /** Makes the tags anew as the history has them; it stays as it is. What was there in their place is kept beside. */
  restoreRefs(entries: readonly HistoryEntry[]): void {
    writeRefs(this.#directory, {seq: entries.at(-1)?.seq ?? 0, tags: moved({}, entries)});
  }

  /** Puts a version's record in the place of one that cannot be read, or is not there. */
  restoreVersion(version: VersionRecord): void {
    setAside(this.#versionFile(version.id));
    makeDirectoryDurably(join(this.#directory, 'versions'));
    writeDurably(this.#versionFile(version.id), formatRecord(version));
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

  /**
   * Says that the image itself is to go once its versions have, so that who finds it without any ends that. The answer
   * takes it back. @throws ChrootctlError FAILED when there is something of somebody else's in it
   */
  beginDrop(): () => void {
    const foreign = this.image.foreign();
    if (foreign !== undefined) {
      throw new ChrootctlError('FAILED', `image ${this.image.name} is left: ${foreign} is not chrootctl's`, {
        hint: 'look at it, and move it away if it is needed elsewhere',
      });
    }
    const mark = join(this.#directory, DROPPING);
    writeDurably(mark, '');
    return () => void removeIfExists(mark);
  }

  /** Removes the image itself, once it has no versions. @throws ChrootctlError BUSY, FAILED */
  async dropImage(): Promise<void> {
    if (this.image.versionIds().length > 0 || this.image.removingIds().length > 0) {
      throw new ChrootctlError('BUSY', `image ${this.image.name} still has versions`);
    }
    await this.image.ledger?.forget(this.image.name);
    // In one step: half of it would be a damaged image.
    const gone = `${this.#directory}${GONE}`;
    rmSync(gone, {recursive: true, force: true});
    renameSync(this.#directory, gone);
    rmSync(gone, {recursive: true, force: true});
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
