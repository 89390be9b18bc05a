/**
 * One image's records: versions, tags, history. Readers take no lock: every file is replaced in one step, so a read
 * gives the state before or after a change. Writers hold the image's kernel lock, and the **one commit point** of
 * every change to the tags is the rename of refs.json: what it needs is durable before, nothing of it is valid until
 * then.
 *
 *     images/<name>/refs.json            the tags, and the number of their last move
 *     images/<name>/history.jsonl        every move of every tag
 *     images/<name>/versions/<id>.json   a version
 *     images/<name>/versions.index       what is shown of them: see version-index.ts
 *     images/<name>/policy.json          what holds for all of them, if anything does
 */
import {join} from 'node:path';
import type {Ledger} from '../storage/ledger.ts';
import {withLock} from '../system/lock.ts';
import {readHistory} from './history.ts';
import {DROPPING, ImageChange, REMOVING} from './image-change.ts';
import type {Layout} from './layout.ts';
import {messageIfDamaged, readable, VersionRecord, type HistoryEntry, type Refs} from './records.ts';
import {hasPolicy, readPolicy, requirePolicy, type Policy} from './policy.ts';
import {filesIn, readNamed} from './record-files.ts';
import {historyFile, readRefs, refsFile} from './refs.ts';
import {isThere} from '../system/files.ts';

export {ImageChange, type MoveReason, type PreparedMoves, type TagMoves} from './image-change.ts';

/** All that we ever put into an image's directory. */
const OURS = /^(?:refs\.json|history\.jsonl|policy\.json|versions|removing)(?:\.|$)/;

/** What one look at the records of versions finds. */
interface Found {
  versions: VersionRecord[];
  damaged: {path: string; why: string}[];
}

export class Image {
  readonly name: string;
  /** Where every move is written to as well. */
  readonly ledger: Ledger | undefined;
  /** Of its records. */
  readonly directory: string;
  readonly #layout: Layout;
  #lastRefs: Refs | undefined;

  constructor(layout: Layout, name: string, ledger?: Ledger) {
    this.name = name;
    this.ledger = ledger;
    this.#layout = layout;
    this.directory = layout.image(name);
  }

  get historyFile(): string {
    return historyFile(this.directory);
  }

  /** The tags now. An image that does not exist has none. @throws ChrootctlError BAD_INPUT, also when they are lost */
  refs(): Refs {
    return (this.#lastRefs = readRefs(this.directory));
  }

  /** What holds for all its versions, as of the last look at the tags. @throws ChrootctlError BAD_INPUT when it is lost */
  policy(): Policy {
    if ((this.#lastRefs ?? this.refs()).policy !== true) return {};
    const policy = readPolicy(this.directory);
    if (policy !== undefined) return policy;
    // It may have been taken away since that look.
    return this.refs().policy === true ? requirePolicy(this.directory) : {};
  }

  /** Whether there is the file of a policy that does not hold, as the death of who was setting it leaves. */
  hasStrayPolicy(): boolean {
    return hasPolicy(this.directory).policy === true && this.refs().policy !== true;
  }

  version(id: string): VersionRecord | undefined {
    return readNamed(VersionRecord, this.#versionFile(id), id);
  }

  /** Whether there is a record of the version, be it out of sight or unreadable. */
  hasRecord(id: string): boolean {
    return isThere(this.#versionFile(id)) || isThere(this.#versionFile(id) + REMOVING);
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
  records(): Found {
    const files = new Set<string>();
    // A version that is put back meanwhile changes its name: whichever it has, one of three looks sees it.
    for (let look = 0; look < 3; look++) for (const name of this.#versionFiles()) files.add(name);
    const records = new Map<string, VersionRecord>();
    const damaged: Found['damaged'] = [];
    for (const name of files) {
      if (!name.endsWith('.json') && !name.endsWith(REMOVING)) continue;
      const path = join(this.directory, 'versions', name);
      const why = messageIfDamaged(() => {
        const record = readNamed(VersionRecord, path, name.slice(0, name.indexOf('.json')));
        if (record !== undefined) records.set(record.id, record);
      });
      if (why !== undefined) damaged.push({path, why});
    }
    return {versions: [...records.values()], damaged};
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

  /** Versions that a tag has ever named. The commit of any other has not come to its commit point. */
  published(): Set<string> {
    return new Set(this.history().flatMap(({to}) => to ?? []));
  }

  /**
   * Whether it is what the death of a first commit left, or of the image's own removal: there are no versions, no tags and
   * nothing that ever happened, unless it was to go with all of that. One whose versions were all removed has a history.
   */
  isNobodys(): boolean {
    if (this.versionIds().length > 0 || this.removingIds().length > 0) return false;
    const {seq, tags} = this.refs();
    const isEmpty = Object.keys(tags).length === 0 && (seq === 0 || isThere(this.#droppingFile));
    return isEmpty && this.foreign() === undefined;
  }

  exists(): boolean {
    return isThere(refsFile(this.directory)) || this.#versionFiles().length > 0;
  }

  /** Something in its directory that chrootctl has not put there. */
  foreign(): string | undefined {
    const strange = (directory: string, ours: RegExp): string | undefined => {
      const name = filesIn(directory).find((candidate) => !ours.test(candidate));
      return name === undefined ? undefined : join(directory, name);
    };
    return strange(this.directory, OURS) ?? strange(join(this.directory, 'versions'), /\.json(?:\.|$)/);
  }

  /** Runs `work` as the only writer of this image. The lock is the kernel's and dies with this process. */
  async change<T>(work: (change: ImageChange) => Promise<T>): Promise<T> {
    return withLock(this.#layout.lock('image', this.name), () => work(new ImageChange(this, this.directory)));
  }

  #versionFiles(): string[] {
    return filesIn(join(this.directory, 'versions'));
  }

  #versionFile(id: string): string {
    return join(this.directory, 'versions', `${id}.json`);
  }

  get #droppingFile(): string {
    return join(this.directory, DROPPING);
  }
}
