/** Records of commands that run in kept sessions, each in a file of its own: pids are the same in many namespaces. */
import {basename, join} from 'node:path';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {randomId} from '../ids.ts';
import {inDirectory, removeIfExists, writeAtomically} from '../system/files.ts';
import {isHeld} from '../system/life.ts';
import {hasEnded} from '../system/owners.ts';
import type {Layout} from './layout.ts';
import {Lifelines, makeLifeline} from './lifelines.ts';
import {recordsIn, type DamagedFile, type Found} from './record-files.ts';
import {ExecRecord, formatRecord} from './records.ts';

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

  /** Those that run now, of which there is a record that can be read. Records whose owner died are removed on the way. */
  running(): Exec[] {
    return this.#alive(this.#all().records);
  }

  /**
   * Those that run now in a session, for who changes it.
   * @throws ChrootctlError BUSY when a record cannot be read that may tell of another one
   */
  runningIn(session: string): Exec[] {
    const {records, damaged} = this.#all();
    // What a power cut tore had ended with the machine.
    const unread = damaged.find(({path, torn}) => !torn && sessionOf(path) === session);
    if (unread !== undefined) {
      throw new ChrootctlError(
        'BUSY',
        `${unread.path} cannot be read, and may be of a command that runs in session ${session}`,
        {hint: `try again; where nothing runs in it any more: chrootctl gc --give-up ${unread.path}`},
      );
    }
    return this.#alive(records.filter((exec) => exec.session === session));
  }

  #alive(execs: readonly Exec[]): Exec[] {
    return execs.filter((exec) => {
      const isOver = this.isOver(exec);
      if (isOver) this.#sweep(exec);
      return !isOver;
    });
  }

  /** Those whose chrootctl died. */
  dead(): Exec[] {
    return this.#all().records.filter((exec) => this.isOver(exec));
  }

  /** Files of records that cannot be read. */
  damaged(): DamagedFile[] {
    return this.#all().damaged;
  }

  /** Whoever only looks can do so in a store that is read-only. */
  #sweep(exec: Exec): void {
    try {
      this.drop(exec);
    } catch (error) {
      if (errnoOf(error) !== 'EROFS') throw error;
    }
  }

  #all(): Found<ExecRecord> {
    return recordsIn(this.#layout.execs, ExecRecord);
  }

  #file(id: string): string {
    return join(this.#layout.execs, `${id}.json`);
  }
}

/** The session of a record, by its name. */
function sessionOf(path: string): string {
  return basename(path).replace(/\.[^.]+\.json$/, '');
}
