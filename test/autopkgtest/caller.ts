/** Whoever a virtualisation server serves: speaks the protocol to the real program, and runs what it is told to. */
import type {ChildProcess} from 'node:child_process';
import {dirname, join} from 'node:path';
import {createInterface} from 'node:readline';
import {BINARY, outcomeOf, type Cli, type Outcome} from '../cli/chrootctl.ts';

/** The launcher beside the program. */
export const SERVER = join(dirname(BINARY), 'autopkgtest-virt-chrootctl');

export class Caller {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
  readonly #cli: Cli;
  readonly #answers: AsyncIterator<string>;

  constructor(cli: Cli, ...words: string[]) {
    this.#cli = cli;
    this.child = cli.start(words, {program: SERVER});
    this.child.stdin?.on('error', () => undefined);
    this.#answers = createInterface({input: this.child.stdout!})[Symbol.asyncIterator]();
    this.ended = outcomeOf(this.child);
  }

  /** The next line; undefined at the end. */
  async read(): Promise<string | undefined> {
    const next = await this.#answers.next();
    return next.done === true ? undefined : next.value;
  }

  async ask(line: string): Promise<string | undefined> {
    this.child.stdin?.write(`${line}\n`);
    return this.read();
  }

  /** Begins, and opens the testbed. Gives its scratch space. */
  async open(): Promise<string> {
    const [greeting, opened] = [await this.read(), await this.ask('open')];
    const match = /^ok (\S+)$/.exec(opened ?? '');
    if (greeting !== 'ok' || match?.[1] === undefined)
      throw new Error(`${greeting}, ${opened}: ${(await this.ended).stderr}`);
    return decodeURIComponent(match[1]);
  }

  async executeCommand(): Promise<string[]> {
    const answer = (await this.ask('print-execute-command')) ?? '';
    return answer.replace(/^ok /, '').split(',').map(decodeURIComponent);
  }

  /** Runs a command in the testbed. */
  async execute(words: readonly string[], input = ''): Promise<Outcome> {
    const child = await this.start(words);
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
    return outcomeOf(child);
  }

  async start(words: readonly string[]): Promise<ChildProcess> {
    const [file = '', ...rest] = await this.executeCommand();
    return this.#cli.start([...rest, ...words], {program: file});
  }

  async quit(): Promise<Outcome> {
    this.child.stdin?.write('quit\n');
    return this.ended;
  }
}
