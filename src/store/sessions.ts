/**
 * Session records: who uses which version and which volumes. A record is written before what it names is made or
 * used and removed after that is gone, so that whatever a crash leaves is found from here.
 */
import {closeSync, linkSync, renameSync} from 'node:fs';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {
  inDirectory,
  isThere,
  removeIfExists,
  setAside,
  temporaryBeside,
  writeAtomically,
  writeDurably,
  writeNew,
} from '../system/files.ts';
import {isSameOwner, isSelf} from '../system/identity.ts';
import {isHeld, isLocked, lockForLife} from '../system/life.ts';
import {withLock} from '../system/lock.ts';
import {hasEnded} from '../system/owners.ts';
import type {Layout} from './layout.ts';
import {Lifelines, makeLifeline} from './lifelines.ts';
import {readNamed, recordsIn, type DamagedFile, type Found} from './record-files.ts';
import {formatRecord, SessionRecord, type VersionRecord} from './records.ts';

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?$/;

/** @throws ChrootctlError USAGE */
export function checkSessionName(name: string): string {
  if (!NAME.test(name)) {
    throw new ChrootctlError('USAGE', `'${name}' is not a session name`, {
      hint: 'use up to 64 letters, digits, and _ . - between them',
    });
  }
  return name;
}

export class Sessions {
  readonly #layout: Layout;
  readonly #lifelines = new Lifelines();
  /** The same of sessions of ours that others run commands in: their records are replaced meanwhile. */
  readonly #shared = new Lifelines();
  /** Ids of sessions whose lock this process holds. */
  readonly #locked = new Set<string>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Adds a record, complete from its first moment. False when the id is taken. */
  add(record: SessionRecord): boolean {
    const path = this.#layout.session(record.id);
    const temporary = temporaryBeside(path);
    // What has not begun need not outlive the machine: what is to stay is written again by then, see replace().
    const isBrief = record.ephemeral && record.name === null;
    let open: number | undefined;
    try {
      inDirectory(this.#layout.sessions, () => {
        if (isBrief) open = makeLifeline(temporary, formatRecord(record));
        else writeNew(temporary, formatRecord(record), {durable: false, mode: 0o600});
      });
      // An id that nobody has chosen is nobody else's.
      if (isBrief) renameSync(temporary, path);
      else linkSync(temporary, path);
    } catch (error) {
      if (open !== undefined) closeSync(open);
      // Who may not make it may not look for it either.
      if (errnoOf(error) !== 'EACCES') removeIfExists(temporary);
      if (errnoOf(error) === 'EEXIST') return false;
      // Somebody has collected it meanwhile, as that of a writer who died.
      if (errnoOf(error) === 'ENOENT') return this.add(record);
      throw error;
    }
    if (open !== undefined) {
      this.#lifelines.keep(record.id, open);
      return true;
    }
    removeIfExists(temporary);
    return true;
  }

  /** Replaces a record. For its owner, or the holder of the session's lock. */
  replace(record: SessionRecord): void {
    const write = record.ephemeral ? writeAtomically : writeDurably;
    write(this.#layout.session(record.id), formatRecord(record), 0o600);
    this.#lifelines.drop(record.id); // What it was locked by is not the record any more.
  }

  /** Puts a record in the place of one that cannot be read, which is kept beside. */
  restore(record: SessionRecord): void {
    setAside(this.#layout.session(record.id));
    this.replace(record);
  }

  drop(id: string): void {
    removeIfExists(this.#layout.session(id));
    this.#lifelines.drop(id);
  }

  /**
   * The record of a session of ours that ends with us, which tells of our life as long as it is locked and open, for what
   * goes on as long as we do to lock it.
   */
  lifeline(id: string): number | undefined {
    return this.#lifelines.of(id);
  }

  /** Locks the record of a session that ends with us, where nothing is started that could do it. */
  async lockForLife(id: string): Promise<void> {
    const fd = this.lifeline(id);
    if (fd !== undefined) await lockForLife(fd, this.#layout.session(id));
  }

  /** Locks a file that tells of our life as long as a session of ours is there that others run commands in. */
  async share(id: string): Promise<void> {
    const path = this.#layout.lock('owner', id);
    const fd = inDirectory(this.#layout.locks, () => makeLifeline(path, ''));
    this.#shared.keep(id, fd);
    await lockForLife(fd, path);
  }

  /** Takes that file away. For who is about to drop the record, or to make it his own. */
  unshare({id, shared}: SessionRecord): void {
    if (shared !== true) return;
    removeIfExists(this.#layout.lock('owner', id));
    this.#shared.drop(id);
  }

  find(id: string): SessionRecord | undefined {
    return readNamed(SessionRecord, this.#layout.session(id), id);
  }

  /** @throws ChrootctlError NOT_FOUND, USAGE */
  get(id: string): SessionRecord {
    const record = this.find(checkSessionName(id));
    if (record === undefined) {
      throw new ChrootctlError('NOT_FOUND', `there is no session '${id}'`, {
        hint: 'chrootctl ps shows the sessions',
      });
    }
    return record;
  }

  /** Whether certainly nobody begins, changes or ends a session that is kept. */
  isUnchanged(id: string): boolean {
    return isLocked(this.#layout.lock('session', id)) === false;
  }

  /** All records, and the files of those that cannot be read: any of them may use any version. */
  all(): Found<SessionRecord> {
    return recordsIn(this.#layout.sessions, SessionRecord);
  }

  /** All records that can be read, for who deletes nothing because of one that is not among them. */
  list(): SessionRecord[] {
    return this.all().records;
  }

  damaged(): DamagedFile[] {
    return this.all().damaged;
  }

  /** Whether its owner has gone without ending it. A kept session has no owner to lose once it has begun. */
  isDead(record: SessionRecord): boolean {
    return this.#endsWithOwner(record) && hasEnded(record.owner, () => this.#isHeld(record));
  }

  #endsWithOwner(record: SessionRecord): boolean {
    return record.ephemeral || this.isUnbegun(record);
  }

  /** Whether the owner of a session that ends with it shows that it lives; undefined when nothing tells. */
  #isHeld({id, kind, owner, shared}: SessionRecord): boolean | undefined {
    if (shared === true) return isHeld(this.#layout.lock('owner', id));
    if (kind !== 'session') return isHeld(this.#layout.session(id));
    // Who begins one that is kept, or ends it, holds its lock from before its record says so until after.
    if (this.#locked.has(id)) return isSelf(owner);
    const path = this.#layout.lock('session', id);
    const held = isLocked(path);
    if (held !== false) return held;
    // He may have come to the end of that, and let go, since the record was read.
    const last = this.find(id);
    const isSame = last !== undefined && this.#endsWithOwner(last) && isSameOwner(last.owner, owner);
    return isSame ? isLocked(path) : undefined;
  }

  /**
   * What the owner of this record left behind, if that is gone without ending it. Records are read before their owners
   * are looked for, and an owner's last act may come between the two: it has kept the session, or ended it.
   */
  leftBehind(record: SessionRecord): SessionRecord | undefined {
    if (!this.isDead(record)) return undefined;
    const last = this.find(record.id);
    return last !== undefined && this.isDead(last) ? last : undefined;
  }

  /** Whether its volume is still being made: it is pending itself, and nobody has got to know of the session. */
  isUnbegun({volume, pending}: SessionRecord): boolean {
    return pending.includes(volume);
  }

  /**
   * Those of the versions that sessions use, by id, each with one that does: it was begun from the version, or its volume
   * has just become the version and it has no other yet.
   * @throws ChrootctlError BUSY when a record cannot be read, which may use any
   */
  pins(versions: readonly Pick<VersionRecord, 'id' | 'volume'>[]): Map<string, SessionRecord> {
    if (versions.length === 0) return new Map();
    const {records, damaged} = this.all();
    const [unread] = damaged;
    if (unread !== undefined) {
      throw new ChrootctlError('BUSY', `${unread.path} cannot be read, and may use what is to be removed`, {
        hint: 'chrootctl doctor --fix mends it if it can',
      });
    }
    const alive = records.filter((record) => !this.isDead(record));
    const byVersion = new Map(alive.map((record) => [record.version, record]));
    const byVolume = new Map(alive.flatMap((record) => volumesOf(record).map((volume) => [volume, record])));
    return new Map(
      versions.flatMap(({id, volume}) => {
        const user = byVersion.get(id) ?? byVolume.get(volume);
        return user === undefined ? [] : [[id, user]];
      }),
    );
  }

  /** Serialises what changes a kept session: beginning, mounting, committing, ending. The lock's file goes with it. */
  async locked<T>(id: string, work: () => Promise<T>): Promise<T> {
    const path = this.#layout.lock('session', id);
    return withLock(path, async () => {
      this.#locked.add(id);
      try {
        return await work();
      } finally {
        this.#locked.delete(id);
        if (!isThere(this.#layout.session(id))) removeIfExists(path);
      }
    });
  }
}

/** All volumes that a session names. */
export function volumesOf({volume, pending}: SessionRecord): string[] {
  return [volume, ...pending];
}
