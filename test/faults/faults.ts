/** One failing call in one command, and what must hold after it. */
import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {Cli, type Outcome} from '../cli/chrootctl.ts';
import {describeFault, failing, recorded, recording, type Call, type Errno} from './calls.ts';

export interface Fault extends Call {
  command: string;
  errno: Errno;
}

/** Commands with a commit point, on a store in which a session `work` holds something and a tag `old` is behind. */
export const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  commit: ['commit', 'work'],
  end: ['session', 'end', 'work', '--commit'],
  run: ['run', 'base', '--commit=new', '--', 'touch', '/root/new'],
  update: ['update', 'base', '--', 'touch', '/root/new'],
  import: ['import', 'root', 'base'],
  tag: ['tag', 'base', 'new'],
  untag: ['untag', 'base:old'],
  rollback: ['rollback', 'base'],
  rm: ['rm', '--force', 'base:old'],
};

export class Laboratory {
  readonly #cli: Cli;
  readonly #template: string;
  readonly #root: string;

  constructor(cli: Cli, root: string) {
    this.#cli = cli;
    this.#template = `${cli.store}.template`;
    this.#root = root;
  }

  /** Makes the store that every trial begins with. */
  async prepare(): Promise<void> {
    const {store} = this.#cli;
    await this.#cli.ok('import', this.#root, 'base:old');
    await this.#cli.ok('update', 'base', '--', 'touch', '/root/second');
    await this.#cli.ok('session', 'begin', 'base', '--name', 'work');
    await this.#cli.ok('exec', 'work', '--', 'sh', '-c', 'echo work >/root/work');
    execFileSync('umount', [join(store, 'mnt/work')]);
    execFileSync('cp', ['-a', store, this.#template]);
  }

  /** The calls that a command makes. */
  async calls(command: string): Promise<Call[]> {
    const list = `${this.#cli.store}.calls`;
    await this.#call(command, recording(this.#cli.directory, list));
    return recorded(list);
  }

  /** Lets the fault happen; gives what is wrong then, in words. */
  async try(fault: Fault): Promise<string[]> {
    const before = this.#refs(this.#template);
    const outcome = await this.#call(fault.command, failing(this.#cli.directory, fault, fault.errno));
    const after = this.#refs(this.#cli.store);
    const wrong = this.#judge(fault.command, outcome, {before, after});
    for (const words of [['gc'], ['doctor'], ['run', 'base', '--', 'true']]) {
      const {code, stdout, stderr} = await this.#cli.call(words);
      if (code !== 0) wrong.push(`${words.join(' ')} ends with ${code} afterwards: ${stdout}${stderr}`);
    }
    if (JSON.stringify(this.#refs(this.#cli.store)) !== JSON.stringify(after))
      wrong.push('gc has moved a tag afterwards');
    // Whatever was not told to be committed must still be in the session.
    if (existsSync(join(this.#cli.store, 'sessions/work.json'))) {
      const {code, stderr} = await this.#cli.call(['exec', 'work', '--', 'cat', '/root/work']);
      if (code !== 0) wrong.push(`the session has lost its work (${code}): ${stderr}`);
    } else if (before.latest === after.latest) wrong.push('the session is gone, and nothing was committed');
    return wrong.length === 0 ? [] : [`${described(fault)}: ${toldBy(outcome)}`, ...wrong];
  }

  #judge(
    command: string,
    {code, stdout, stderr}: Outcome,
    {before, after}: {before: Record<string, string>; after: Record<string, string>},
  ): string[] {
    const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
      (tag) => before[tag] !== after[tag],
    );
    if (code === 0) return changed.length > 0 ? [] : ['it ends with 0, and no tag has moved'];
    if (/^ +at /m.test(stderr)) return ['a stack trace'];
    if (changed.length === 0) return code === 8 ? ['it ends with 8, and no tag has moved'] : [];
    const made = command === 'untag' || command === 'rm' ? before[changed[0] ?? ''] : after[changed[0] ?? ''];
    if (code === 8 && `${stdout}${stderr}`.includes(made ?? '?')) return [];
    return [`${changed.join(', ')} moved, and it does not say so (${made ?? ''})`];
  }

  async #call(command: string, env: Record<string, string>): Promise<Outcome> {
    const {store} = this.#cli;
    for (const {mountPoint} of mountsIn(store)) execFileSync('umount', ['-l', mountPoint]);
    rmSync(store, {recursive: true, force: true});
    execFileSync('cp', ['-a', this.#template, store]);
    const words = (COMMANDS[command] ?? []).map((word) => (word === 'root' ? this.#root : word));
    return this.#cli.call(words, {env});
  }

  #refs(store: string): Record<string, string> {
    const {tags} = JSON.parse(readFileSync(join(store, 'images/base/refs.json'), 'utf8')) as {
      tags: Record<string, string>;
    };
    return tags;
  }
}

export function described({command, errno, ...call}: Fault): string {
  return `${command}, ${describeFault(call, errno)}`;
}

function toldBy({code, stdout, stderr}: Outcome): string {
  return `${code} ${stdout}${stderr}`.replaceAll('\n', ' / ');
}

function mountsIn(directory: string): {mountPoint: string}[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => ({mountPoint: line.split(' ')[4] ?? ''}))
    .filter(({mountPoint}) => mountPoint.startsWith(`${directory}/`))
    .reverse();
}
