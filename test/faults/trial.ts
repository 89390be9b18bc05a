/** One fault: a call of a command fails, and what it tells is compared with what has happened, at once and when it is mended. */
import {execFileSync} from 'node:child_process';
import {existsSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {isDeepStrictEqual} from 'node:util';
import {importImage} from '../../src/index.ts';
import {mountsOf} from '../../src/system/mounts.ts';
import type {Outcome} from '../cli/chrootctl.ts';
import type {Command} from '../crash-points/commands.ts';
import type {Laboratory} from '../crash-points/laboratory.ts';
import {stateOf, versionsOf, type State} from '../crash-points/state.ts';
import {differences, mend} from '../crash-points/trial.ts';
import {World} from '../crash-points/world.ts';
import {failing, recorded, recording, type Call, type Errno} from './calls.ts';
import {COMMANDS} from './commands.ts';
import {endSandboxesBelow} from '../temporary.ts';

export interface Fault extends Call {
  errno: Errno;
}

/** A command in a world that begins anew for each fault. */
export class Specimen {
  readonly name: string;
  readonly #world: World;
  readonly #command: Command;
  #words: readonly string[] = [];
  #known: string[] = [];
  #before: State = NOTHING;
  #after: State = NOTHING;
  calls: Call[] = [];

  private constructor(name: string, world: World, command: Command) {
    this.name = name;
    this.#world = world;
    this.#command = command;
  }

  /** Lets the command run once, and writes down its calls. @throws Error when it fails */
  static async of({driver, room, source}: Laboratory, name: string): Promise<Specimen> {
    const command = COMMANDS[name];
    if (command === undefined) throw new Error(`there is no command '${name}' here`);
    const specimen = new Specimen(name, new World(room, driver), command);
    await specimen.#record(source);
    return specimen;
  }

  async #record(source: string): Promise<void> {
    const world = this.#world;
    await this.#command.prepare(world, source);
    if (existsSync(world.store)) await importImage(await world.open(), source, {target: 'beside'});
    this.#words = await this.#command.words(world, source);
    this.#known = await versionsOf(world);
    unmountAll(world);
    execFileSync('cp', ['-a', world.directory, this.#template]);
    this.#before = await stateOf(world, this.#known);
    this.#begin();
    const list = `${world.directory}.calls`;
    const {code, stderr} = await this.#call(recording(world.directory, list));
    if (code !== 0) throw new Error(`${this.name} ended with ${code}: ${stderr}`);
    this.calls = recorded(list);
    this.#after = await stateOf(world, this.#known);
  }

  /** What is wrong after the fault; undefined when the command did not come to it. */
  async try({errno, ...call}: Fault): Promise<string[] | undefined> {
    const world = this.#world;
    this.#begin();
    const mark = `${world.directory}.mark`;
    rmSync(mark, {force: true});
    const outcome = await this.#call(failing(world.directory, call, errno, mark));
    if (!existsSync(mark)) return undefined;
    const wrong: string[] = [];
    try {
      wrong.push(...this.#told(outcome, this.#withoutKept(outcome, await stateOf(world, this.#known))));
      wrong.push(...(await mend(world)));
      const mended = this.#withoutKept(outcome, await stateOf(world, this.#known));
      wrong.push(...differences(mended, {before: this.#before, after: this.#after}));
      wrong.push(...(this.#command.check?.(world) ?? []));
    } catch (error) {
      wrong.push(error instanceof Error ? error.message : String(error));
    }
    const {code, stdout, stderr} = outcome;
    return wrong.length === 0 ? [] : [`it ended with ${code}: ${stdout}${stderr}`, ...wrong];
  }

  /** The state but for a session of which the command says that it keeps the work, and which does. */
  #withoutKept({stderr}: Outcome, state: State): State {
    if (!/session \w+ keeps the work/.test(stderr)) return state;
    const {'without a name': found, ...sessions} = state.sessions;
    return found === this.#after.contents['base'] ? {...state, sessions} : state;
  }

  #told({code, stdout, stderr}: Outcome, state: State): string[] {
    const [before, after] = [this.#before, this.#after];
    const said = `${stdout}${stderr}`;
    if (/^ +at .*:\d+:\d+\)?$/m.test(said)) return ['a stack trace'];
    const archive = this.#words.find((word) => /^base\.(?:tar|zfs)$/.test(word));
    const isThere =
      archive !== undefined &&
      this.#words[0] === 'export' &&
      existsSync(join(this.#world.directory, archive));
    if (code === 0) {
      // What gc cannot read it leaves, and says so.
      if (this.#words[0] === 'gc' && stderr.includes('is left')) return [];
      const lost = (['tags', 'policies', 'versions'] as const).filter(
        (what) => !isDeepStrictEqual(state[what], after[what]),
      );
      if (this.#words[0] === 'export' && !isThere) return ['it ends with 0, and there is no archive'];
      return lost.map((what) => `it ends with 0, and the ${what} are ${JSON.stringify(state[what])}`);
    }
    const isMoved =
      !isDeepStrictEqual(state.tags, before.tags) || !isDeepStrictEqual(inForce(state), inForce(before));
    const isChanged =
      isMoved ||
      isThere ||
      !isDeepStrictEqual(
        [state.versions, state.sessions, state.contents],
        [before.versions, before.sessions, before.contents],
      );
    if (code === 8) {
      if (!isChanged) return ['it ends with 8, and nothing has changed'];
      return /[0-9a-hjkmnp-tv-z]{16}|profile|is ended/.test(said)
        ? []
        : ['it does not say what has happened'];
    }
    return isMoved || isThere ? ['it is done, and told as failed'] : [];
  }

  async #call(env: Record<string, string>): Promise<Outcome> {
    return this.#world.call(this.#words, env, [], this.#command.input);
  }

  destroy(): void {
    this.#world.destroy();
    for (const path of [this.#template, `${this.#world.directory}.mark`])
      rmSync(path, {recursive: true, force: true});
  }

  get #template(): string {
    return `${this.#world.directory}.template`;
  }

  #begin(): void {
    unmountAll(this.#world);
    rmSync(this.#world.directory, {recursive: true, force: true});
    execFileSync('cp', ['-a', this.#template, this.#world.directory]);
  }
}

/** What a first commit leaves that failed is an image for which nothing holds. */
function inForce({policies}: State): State['policies'] {
  return Object.fromEntries(Object.entries(policies).filter(([, policy]) => Object.keys(policy).length > 0));
}

const NOTHING: State = {tags: {}, policies: {}, versions: [], sessions: {}, contents: {}};

function unmountAll({directory}: World): void {
  endSandboxesBelow(directory);
  for (const {mountPoint} of mountsOf().reverse())
    if (mountPoint.startsWith(`${directory}/`)) execFileSync('umount', ['-l', mountPoint]);
}
