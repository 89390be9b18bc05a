/** Records of commands that run in kept sessions, each in a file of its own: pids are the same in many namespaces. */
import {join} from 'node:path';
import {errnoOf} from '../errors.ts';
import {randomId} from '../ids.ts';
import {inDirectory, removeIfExists, writeAtomically} from '../system/files.ts';
import {isHeld} from '../system/life.ts';
import {hasEnded} from '../system/owners.ts';
import type {Layout} from './layout.ts';
import {Lifelines, makeLifeline} from './lifelines.ts';
import {damagedIn, idsIn, type DamagedFile} from './record-files.ts';
import {ExecRecord, formatRecord, readable, readRecord} from './records.ts';

/** A command that runs in a kept session, with the name of its record. */
export interface Exec extends ExecRecord {
  id: string;
}

export class Execs {
  readonly #layout: Layout;
  readonly #lifelines = new Lifelines();

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  add(record: ExecRecord): Exec {
    const exec = {...record, id: `${record.session}.${randomId(12)}`};
    inDirectory(this.#layout.execs, () => this.replace(exec));
    const lock = this.#layout.lock('exec', exec.id);
    this.#lifelines.keep(
      exec.id,
      inDirectory(this.#layout.locks, () => makeLifeline(lock, '')),
    );
    return exec;
  }

  /** For its owner. */
  replace({id, ...record}: Exec): void {
    writeAtomically(this.#file(id), formatRecord(record), 0o600);
  }

  drop({id}: Pick<Exec, 'id'>): void {
    removeIfExists(this.#layout.lock('exec', id)); // First: no record leads to it afterwards.
    removeIfExists(this.#file(id));
    this.#lifelines.drop(id);
  }

  /** The file that tells of our life as long as it is locked and open, for what goes on as long as we do to lock it. */
  lifeline(id: string): number | undefined {
    return this.#lifelines.of(id);
  }

  /** Whether the chrootctl of a command has certainly ended. */
  isOver({id, owner}: Exec): boolean {
    return hasEnded(owner, () => isHeld(this.#layout.lock('exec', id)));
  }

  /** Those that run now, in one session or in any. Records whose owner died are removed on the way. */
  running(session?: string): Exec[] {
    const execs = this.#all().filter((exec) => session === undefined || exec.session === session);
    return execs.filter((exec) => {
      const isOver = this.isOver(exec);
      if (isOver) this.#sweep(exec);
      return !isOver;
    });
  }

  /** Those whose chrootctl died. */
  dead(): Exec[] {
    return this.#all().filter((exec) => this.isOver(exec));
  }

  /** Files of records that cannot be read. */
  damaged(): DamagedFile[] {
    return damagedIn(this.#layout.execs, ExecRecord);
  }

  /** Whoever only looks can do so in a store that is read-only. */
  #sweep(exec: Exec): void {
    try {
      this.drop(exec);
    } catch (error) {
      if (errnoOf(error) !== 'EROFS') throw error;
    }
  }

  #all(): Exec[] {
    return idsIn(this.#layout.execs).flatMap((id) => {
      const record = readable(() => readRecord(ExecRecord, this.#file(id)));
      return record === undefined ? [] : [{...record, id}];
    });
  }

  #file(id: string): string {
    return join(this.#layout.execs, `${id}.json`);
  }
}
