/** A terminal with a shell in it, driven by tmux: what a person at the keyboard sees and types. */
import {execFileSync} from 'node:child_process';
import {randomId} from '../src/ids.ts';
import {eventually} from './eventually.ts';

export const PROMPT = /prompt>$/m;
export const ENDED = /^ended \d+$/m;

const opened: Terminal[] = [];

export class Terminal {
  readonly #socket = `chrootctl-test-${randomId()}`;

  constructor({env = {}, cwd = '/'}: {env?: Record<string, string>; cwd?: string} = {}) {
    const size = ['-x', '100', '-y', '30'];
    const shell = 'env PS1="prompt> " bash --norc';
    this.#call(['-f', '/dev/null', 'new-session', '-d', '-s', 'main', ...size, '-c', cwd, shell], env);
    opened.push(this);
  }

  tmux(...args: string[]): string {
    return this.#call(args);
  }

  /** The first call starts what runs in it, with its environment. */
  #call(args: readonly string[], env: Record<string, string> = {}): string {
    return execFileSync('tmux', ['-L', this.#socket, ...args], {
      encoding: 'utf8',
      env: {...process.env, ...env},
    });
  }

  /** With the lines joined that were too long for it. */
  screen(): string {
    return this.tmux('capture-pane', '-p', '-J', '-t', 'main').replace(/ +$/gm, '');
  }

  /** Words are typed as they are, but for the names of keys. */
  type(...keys: string[]): void {
    this.tmux('send-keys', '-t', 'main', ...keys);
  }

  /** Waits for it; gives the whole screen. @throws Error with what the screen shows, when it does not come */
  async shows(pattern: RegExp): Promise<string> {
    let screen = '';
    const found = await eventually(() => pattern.test((screen = this.screen())));
    if (!found) throw new Error(`no ${String(pattern)} on the screen:\n${screen}`);
    return screen;
  }

  /** Types a line for the shell on an empty screen. How it ends will be seen: `ended 0`. */
  async start(line: string): Promise<void> {
    await this.shows(PROMPT);
    this.type('clear', 'Enter');
    await this.shows(/^prompt>\s*$/);
    this.type(`${line}; echo "ended $?"`, 'Enter');
  }

  /** The same, and waits for its end; gives the screen. */
  async run(line: string): Promise<string> {
    await this.start(line);
    return this.shows(ENDED);
  }

  /** As when its window is closed: what runs in it gets SIGHUP. */
  close(): void {
    opened.splice(opened.indexOf(this), 1);
    this.tmux('kill-server');
  }
}

/** Closes those that a test has left open. */
function closeAll(): void {
  for (const terminal of [...opened]) terminal.close();
}

(globalThis as {afterEach?: (hook: () => void) => void}).afterEach?.(closeAll);
