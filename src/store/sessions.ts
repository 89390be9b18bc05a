/**
 * Session records: who uses which version and which volumes. A record is written before what it names is made or
 * used and removed after that is gone, so that whatever a crash leaves is found from here.
 */
import {closeSync, existsSync, linkSync, openSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {randomId} from '../ids.ts';
import {
  isTorn,
  inDirectory,
  naming,
  readText,
  removeIfExists,
  setAside,
  syncDirectory,
  temporaryBeside,
  writeAtomically,
  writeDurably,
} from '../system/files.ts';
import {isSameOwner, isSelf} from '../system/identity.ts';
import {isHeld, isLocked, lockForLife} from '../system/life.ts';
import {withLock} from '../system/lock.ts';
import {hasEnded} from '../system/owners.ts';
import type {Layout} from './layout.ts';
import {
  ExecRecord,
  formatRecord,
  parseRecord,
  readable,
  readRecord,
  SessionRecord,
  type VersionRecord,
} from './records.ts';
import {filesIn} from './refs.ts';

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

/** A command that runs in a kept session, with the name of its record. */
export interface Exec extends ExecRecord {
  id: string;
}

/** Makes a file, and opens it. Not for writing: that would keep its file system from becoming read-only as long as we run. */
function openWritten(path: string, content: string): number {
  naming(path, () => writeFileSync(path, content, {flag: 'wx', mode: 0o600}));
  return openSync(path, 'r');
}

export class Sessions {
  readonly #layout: Layout;
  /** Files of ours that are kept open to be locked for life (system/life.ts), by the ids of their records. */
  readonly #open = new Map<string, number>();
  /** Ids of sessions whose lock this process holds. */
  readonly #locked = new Set<string>();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Adds a record, complete from its first moment. False when the id is taken. */
  add(record: SessionRecord): boolean {
    const path = this.#layout.session(record.id);
    const temporary = temporaryBeside(path);
    // What a run writes need not outlive the machine; but nobody, ever, finds half a record.
    const isBrief = record.ephemeral && record.name === null;
    let open: number | undefined;
    try {
      inDirectory(this.#layout.sessions, () => {
        if (isBrief) open = openWritten(temporary, formatRecord(record));
        else writeDurably(temporary, formatRecord(record), 0o600);
      });
      linkSync(temporary, path);
    } catch (error) {
      if (open !== undefined) closeSync(open);
      if (errnoOf(error) === 'EEXIST') return false;
      // Somebody has collected it meanwhile, as that of a writer who died.
      if (errnoOf(error) === 'ENOENT') return this.add(record);
      throw error;
    } finally {
      removeIfExists(temporary);
    }
    if (open !== undefined) this.#open.set(record.id, open);
    else syncDirectory(this.#layout.sessions);
    return true;
  }

  /** Replaces a record. For its owner, or the holder of the session's lock. */
  replace(record: SessionRecord): void {
    const write = record.ephemeral ? writeAtomically : writeDurably;
    write(this.#layout.session(record.id), formatRecord(record), 0o600);
    this.#close(record.id); // What it was locked by is not the record any more.
  }

  /** Puts a record in the place of one that cannot be read, which is kept beside. */
  restore(record: SessionRecord): void {
    setAside(this.#layout.session(record.id));
    this.replace(record);
  }

  drop(id: string): void {
    removeIfExists(this.#layout.session(id));
    this.#close(id);
  }

  /**
   * The file that tells of our life as long as it is locked and open, for what goes on as long as we do to lock it: the
   * record of a session of ours that ends with us, or what belongs to that of a command.
   */
  lifeline(id: string): number | undefined {
    return this.#open.get(id);
  }

  /** Locks the record of a session that ends with us, where nothing is started that could do it. */
  async lockForLife(id: string): Promise<void> {
    const fd = this.lifeline(id);
    if (fd !== undefined) await lockForLife(fd, this.#layout.session(id));
  }

  #close(id: string): void {
    const fd = this.#open.get(id);
    if (fd !== undefined) closeSync(fd);
    this.#open.delete(id);
  }

  find(id: string): SessionRecord | undefined {
    return readRecord(SessionRecord, this.#layout.session(id));
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

  /** All records; one that disappears meanwhile is left out, and one that cannot be read is reported by `damaged`. */
  list(): SessionRecord[] {
    return this.#names(this.#layout.sessions).flatMap((id) => readable(() => this.find(id)) ?? []);
  }

  /**
   * Files of records that cannot be read: torn by a power cut (`run` does not wait for the disk), or whole and wrong,
   * so that somebody must have edited them.
   */
  damaged(): {path: string; torn: boolean}[] {
    const files = [
      ...this.#names(this.#layout.sessions).map((id) => this.#layout.session(id)),
      ...this.#names(this.#layout.execs).map((id) => this.#execFile(id)),
    ];
    return files.flatMap((path) => {
      const schema = path.startsWith(this.#layout.execs) ? ExecRecord : SessionRecord;
      // Not even a file: undefined. A file that is gone by now: null.
      const text = readable(() => readText(path) ?? null);
      if (text === null) return [];
      if (text === undefined) return {path, torn: false};
      return readable(() => parseRecord<object>(schema, text, path)) === undefined
        ? {path, torn: isTorn(text)}
        : [];
    });
  }

  /** Those of sessions: any of them may use any version. */
  damagedSessions(): {path: string; torn: boolean}[] {
    return this.damaged().filter(({path}) => path.startsWith(`${this.#layout.sessions}/`));
  }

  /** Whether its owner has gone without ending it. A kept session has no owner to lose once it has begun. */
  isDead(record: SessionRecord): boolean {
    return this.#endsWithOwner(record) && hasEnded(record.owner, () => this.#isHeld(record));
  }

  #endsWithOwner(record: SessionRecord): boolean {
    return record.ephemeral || this.isUnbegun(record);
  }

  /** Whether the owner of a session that ends with it shows that it lives; undefined when nothing tells. */
  #isHeld({id, kind, owner}: SessionRecord): boolean | undefined {
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
   */
  pins(versions: readonly Pick<VersionRecord, 'id' | 'volume'>[]): Map<string, SessionRecord> {
    const alive = this.list().filter((record) => !this.isDead(record));
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
        if (!existsSync(this.#layout.session(id))) removeIfExists(path);
      }
    });
  }

  /** Adds a record of a command, in a file of its own: pids are the same in many namespaces. */
  addExec(record: ExecRecord): Exec {
    const exec = {...record, id: `${record.session}.${randomId(12)}`};
    inDirectory(this.#layout.execs, () => this.replaceExec(exec));
    const lock = this.#layout.lock('exec', exec.id);
    this.#open.set(
      exec.id,
      inDirectory(this.#layout.locks, () => openWritten(lock, '')),
    );
    return exec;
  }

  /** For its owner. */
  replaceExec({id, ...record}: Exec): void {
    writeAtomically(this.#execFile(id), formatRecord(record), 0o600);
  }

  dropExec({id}: Pick<Exec, 'id'>): void {
    removeIfExists(this.#layout.lock('exec', id)); // First: no record leads to it afterwards.
    removeIfExists(this.#execFile(id));
    this.#close(id);
  }

  /** Whether the chrootctl of a command has certainly ended. */
  isOver({id, owner}: Exec): boolean {
    return hasEnded(owner, () => isHeld(this.#layout.lock('exec', id)));
  }

  /** Commands that run in kept sessions now. Records whose owner died are removed on the way. */
  execs(session?: string): Exec[] {
    const execs = this.#allExecs().filter((exec) => session === undefined || exec.session === session);
    return execs.filter((exec) => {
      const isOver = this.isOver(exec);
      if (isOver) this.#sweepExec(exec);
      return !isOver;
    });
  }

  /** Whoever only looks can do so in a store that is read-only. */
  #sweepExec(exec: Exec): void {
    try {
      this.dropExec(exec);
    } catch (error) {
      if (errnoOf(error) !== 'EROFS') throw error;
    }
  }

  /** Records of commands whose chrootctl died. */
  deadExecs(): Exec[] {
    return this.#allExecs().filter((exec) => this.isOver(exec));
  }

  #allExecs(): Exec[] {
    return this.#names(this.#layout.execs).flatMap((id) => {
      const record = readable(() => readRecord(ExecRecord, this.#execFile(id)));
      return record === undefined ? [] : [{...record, id}];
    });
  }

  #execFile(id: string): string {
    return join(this.#layout.execs, `${id}.json`);
  }

  #names(directory: string): string[] {
    return filesIn(directory)
      .filter((name) => name.endsWith('.json'))
      .map((name) => name.slice(0, -'.json'.length));
  }
}

/** All volumes that a session names. */
export function volumesOf({volume, pending}: SessionRecord): string[] {
  return [volume, ...pending];
}
