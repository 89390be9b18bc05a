/**
 * A testbed as a clone of a version: a session that ends with us, in which whoever we serve runs commands. To revert it is to
 * throw the clone away and to make another one of the same version.
 */
import {setTimeout as sleep} from 'node:timers/promises';
import {ChrootctlError} from '../errors.ts';
import {randomId} from '../ids.ts';
import {isWithin, type View} from '../sandbox/in-root.ts';
import {viewsOf, withBinds} from '../sandbox/volumes.ts';
import {begin} from '../session/begin.ts';
import {whilePinned} from '../session/pin.ts';
import {endShared} from '../session/remove.ts';
import {wantedOptions} from '../session/spec.ts';
import {optionsUnder} from '../store/policy.ts';
import type {RunOptions, SessionRecord} from '../store/records.ts';
import {readReference} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';
import {frontProgram} from '../system/installed.ts';
import {capabilitiesOf} from './capabilities.ts';
import {copy} from './copying.ts';
import {runInside} from './inside.ts';
import type {Testbed} from './protocol.ts';
import {openShell} from './shell.ts';

/** Whoever looks at mounts, or makes a mount namespace, may hold a clone for a moment. */
const ATTEMPTS = 10;
const PAUSE_MS = 500;

export interface TestbedOptions {
  options: RunOptions;
  labels: Record<string, string>;
  /** Told of a clone that is in somebody else's hands at its end: it is left to gc. */
  onLeft: (line: string) => void;
}

/** @throws ChrootctlError NOT_FOUND for an image, FAILED for a user, that is not there */
export async function makeTestbed(
  store: Store,
  reference: string,
  {options, ...rest}: TestbedOptions,
): Promise<Testbed> {
  const wanted = {...options, user: options.user ?? 'root'};
  const program = frontProgram();
  if (program === undefined)
    throw new ChrootctlError('FAILED', 'what commands are run with is not installed beside this program');
  const capabilities = await whilePinned(store, readReference(store, reference), 'autopkgtest', (version) =>
    store.driver.withTree(version.volume, (directory) => {
      const all = wantedOptions(version.config, optionsUnder(store.image(version.image).policy(), wanted));
      return Promise.resolve(capabilitiesOf(viewsIn(directory, all), all));
    }),
  );
  return new CloneTestbed(store, reference, {options: wanted, ...rest}, {program, capabilities});
}

class CloneTestbed implements Testbed {
  readonly #store: Store;
  readonly #reference: string;
  readonly #wanted: TestbedOptions;
  readonly #program: string;
  /** The same path in every clone: what is built in it may have the path in its files. */
  readonly #scratch = `/tmp/autopkgtest.${randomId(6)}`;
  #capabilities: readonly string[];
  /** Those that are to be ended; the last one is the testbed. */
  readonly #sessions: SessionRecord[] = [];

  constructor(
    store: Store,
    reference: string,
    wanted: TestbedOptions,
    known: {program: string; capabilities: readonly string[]},
  ) {
    this.#store = store;
    this.#reference = reference;
    this.#wanted = wanted;
    this.#program = known.program;
    this.#capabilities = known.capabilities;
  }

  capabilities(): readonly string[] {
    return this.#capabilities;
  }

  async open(): Promise<string> {
    await this.#begin(this.#reference);
    return this.#scratch;
  }

  async revert(): Promise<string> {
    const {image, version} = this.#session;
    // The new one first: until then it is the old one that keeps the version from being removed.
    await this.#begin(`${image}@${version ?? ''}`);
    await this.#end(1);
    return this.#scratch;
  }

  async close(): Promise<void> {
    await this.#end(0);
  }

  executeCommand(): readonly string[] {
    return [this.#program, 'exec', '--root', this.#store.root, '--testbed', this.#session.id, '--'];
  }

  async copyIn(host: string, inside: string): Promise<void> {
    await copy(this.executeCommand(), {direction: 'in', host, inside});
  }

  async copyOut(inside: string, host: string): Promise<void> {
    await copy(this.executeCommand(), {direction: 'out', host, inside});
  }

  async shell(directory: string, variables: readonly string[]): Promise<void> {
    await openShell(this.executeCommand(), directory, variables);
  }

  describe(): string {
    if (this.#sessions.length === 0) return `the testbed is closed; it is a clone of ${this.#reference}`;
    const {id, image, version} = this.#session;
    return `the testbed is session ${id} of ${image}@${version ?? ''} in ${this.#store.root}`;
  }

  get #session(): SessionRecord {
    const last = this.#sessions.at(-1);
    if (last === undefined) throw new TypeError('the testbed is not open');
    return last;
  }

  /** Ends all but this many, the oldest first. */
  async #end(left: number): Promise<void> {
    while (this.#sessions.length > left) {
      const [oldest] = this.#sessions;
      if (oldest !== undefined) await this.#endOne(oldest.id);
      this.#sessions.shift();
    }
  }

  async #endOne(id: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await endShared(this.#store, id);
        return;
      } catch (error) {
        if (!(error instanceof ChrootctlError) || error.code !== 'BUSY') throw error;
        if (attempt === ATTEMPTS) {
          this.#wanted.onLeft(`${error.message}; chrootctl gc collects it`);
          return;
        }
        await sleep(PAUSE_MS);
      }
    }
  }

  /** From here on it is to be closed, whatever fails. */
  async #begin(reference: string): Promise<void> {
    const {record, root} = await begin(this.#store, reference, {
      options: this.#wanted.options,
      labels: this.#wanted.labels,
      command: ['autopkgtest', this.#reference],
      endsWithUs: true,
    });
    this.#sessions.push(record);
    const options = wantedOptions(record.config, record.options);
    this.#capabilities = capabilitiesOf(viewsIn(root, options), options);
    await makeScratch(this.executeCommand(), this.#scratch, options);
  }
}

function viewsIn(directory: string, {volumes = []}: RunOptions): View[] {
  return withBinds(viewsOf([directory]), volumes);
}

/** Everybody's, as /tmp is. @throws ChrootctlError USAGE where it would be gone with the command that makes it */
async function makeScratch(
  execute: readonly string[],
  path: string,
  {tmpfs = []}: RunOptions,
): Promise<void> {
  const hidden = tmpfs.find(({target}) => isWithin(path, target));
  if (hidden !== undefined) {
    throw new ChrootctlError('USAGE', `each command would have a ${hidden.target} of its own`, {
      hint: 'a testbed needs one /tmp for all: leave --tmpfs away, or mount something there with -v',
    });
  }
  await runInside(execute, ['mkdir', '-p', '-m', '1777', '--', path]);
}
