/** What the only writer of an image, who holds its lock, can do to its records: see image.ts. */
import {renameSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {afterwards, ChrootctlError, errnoOf} from '../errors.ts';
import type {LedgerEntry} from '../storage/ledger.ts';
import {isoTime} from '../system/clock.ts';
import {
  isThere,
  makeDirectoryDurably,
  removeIfExists,
  setAside,
  syncDirectory,
  writeDurably,
} from '../system/files.ts';
import {passing} from './commit-point.ts';
import {appendHistory, readWhatThereIs, writeHistory} from './history.ts';
import type {Image} from './image.ts';
import {GONE} from './layout.ts';
import {removePolicy, writePolicy, type Policy} from './policy.ts';
import {
  formatRecord,
  readRecord,
  VersionRecord,
  type HistoryAction,
  type HistoryEntry,
  type Refs,
} from './records.ts';
import {beginRefs, mendTornRefs, moved, toldPolicy, writeRefs} from './refs.ts';

/** A change to the tags: null drops one. */
export type TagMoves = Readonly<Record<string, string | null>>;

export interface MoveReason {
  action: HistoryAction;
  by: string;
  message: string;
}

/** A version that is being removed: out of readers' sight, but it can still be put back. */
export const REMOVING = '.removing';
/** Beside the tags of an image that is being removed itself, and not only its last version. */
export const DROPPING = 'removing';

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
    writeRefs(this.#directory, {...refs, seq, tags: moved(refs.tags, entries)});
  }

  /**
   * Replaces what holds for the image; nothing that was said before holds any more.
   * @param told called as soon as it holds
   * @throws Unconfirmed when it holds, but may not last
   */
  async setPolicy(policy: Policy, told: () => void): Promise<void> {
    const {policy: before, ...refs} = this.image.refs();
    if (Object.keys(policy).length === 0) {
      passing(() => writeRefs(this.#directory, refs), told);
      removePolicy(this.#directory);
    } else if (before === true) {
      passing(() => writePolicy(this.#directory, policy), told);
    } else {
      const fate = {holds: false};
      try {
        writePolicy(this.#directory, policy);
        passing(
          () => writeRefs(this.#directory, {...refs, policy: true}),
          () => {
            fate.holds = true;
            told();
          },
        );
      } catch (error) {
        // One that does not hold would do so when the tags are made anew.
        throw fate.holds ? error : await afterwards(error, () => removePolicy(this.#directory));
      }
    }
  }

  /** Removes a policy that does not hold: of a change that died. */
  dropStrayPolicy(): void {
    if (this.image.hasStrayPolicy()) removePolicy(this.#directory);
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
    writeRefs(this.#directory, {seq, tags: moved({}, entries), ...toldPolicy(this.#directory)});
  }

  /** Makes the tags anew as the history has them; it stays as it is. What was there in their place is kept beside. */
  restoreRefs(entries: readonly HistoryEntry[]): void {
    const seq = entries.at(-1)?.seq ?? 0;
    writeRefs(this.#directory, {seq, tags: moved({}, entries), ...toldPolicy(this.#directory)});
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
    if (isThere(directory)) syncDirectory(directory);
  }

  #versionFile(id: string): string {
    return join(this.#directory, 'versions', `${id}.json`);
  }

  #hiddenFile(id: string): string {
    return this.#versionFile(id) + REMOVING;
  }
}
