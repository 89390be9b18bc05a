/** A program at one end of a stream: started, watched, and certainly ended. */
import type {ChildProcess, StdioOptions} from 'node:child_process';
import type {Readable, Writable} from 'node:stream';
import {codeOf} from './death.ts';
import {notStarted, start} from './programs.ts';

export interface Ended {
  /** Exit code, 128+N when signal N ended it. */
  code: number;
  /** The first 64 KiB of standard error. */
  stderr: string;
}

const SIGPIPE = 13;
/** Exit code of a program whose reader went away. */
export const BROKEN_PIPE = 128 + SIGPIPE;
const MOST_STDERR = 64 * 1024;
/** Bytes that may wait to be written: enough that neither side has to wait for the other's every step. */
const MOST_WAITING = 4 * 1024 * 1024;

export class Child {
  /** When the program and all that it started have closed their ends. @throws ChrootctlError when it cannot start */
  readonly ended: Promise<Ended>;
  readonly #process: ChildProcess;
  #stderr = '';
  #closed = false;

  constructor(file: string, args: readonly string[], stdio: readonly [stdin: Stdio, stdout: Stdio]) {
    this.#process = start(file, args, {stdio: [...stdio, 'pipe'] as StdioOptions});
    // That the reader is gone shows in how the program ended.
    this.#process.stdin?.on('error', () => (this.#closed = true));
    this.#process.stdin?.on('close', () => (this.#closed = true));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (this.#stderr.length < MOST_STDERR) this.#stderr += text;
      // Else tar(1) goes on through the whole archive, one message a file. It runs, so bubblewrap has started.
      if (isFull(text)) this.kill();
    });
    this.ended = new Promise((resolve, reject) => {
      this.#process.once('error', (error) => {
        reject(notStarted(file, error));
      });
      // Not `exit`: what the program started may outlive it by a moment, and still hold standard error.
      this.#process.once('close', (code, signal) => {
        resolve({code: code ?? codeOf(signal), stderr: this.#stderr});
      });
    });
    // Whoever awaits it gets the error; nobody need.
    this.ended.catch(() => undefined);
  }

  get stdin(): Writable {
    return present(this.#process.stdin);
  }

  get stdout(): Readable {
    return present(this.#process.stdout);
  }

  /** Writes to standard input, waiting while it is full; false when the program takes no more. */
  async feed(chunk: Buffer): Promise<boolean> {
    if (this.#closed) return false;
    const stdin = this.stdin;
    stdin.write(chunk);
    if (stdin.writableLength < MOST_WAITING) return true;
    return new Promise((resolve) => {
      const settle = (): void => {
        stdin.off('drain', settle).off('close', settle);
        resolve(!this.#closed);
      };
      stdin.on('drain', settle).on('close', settle);
    });
  }

  /** Takes its streams away: a program that reads sees the end, one that writes gets SIGPIPE. Gentler than kill(). */
  cutOff(): void {
    this.#process.stdin?.destroy();
    this.#process.stdout?.destroy();
  }

  kill(): void {
    this.cutOff();
    this.#process.kill('SIGKILL');
  }
}

export type Stdio = 'pipe' | 'ignore' | number;

/**
 * Whether a message of a program (in the C locale) says that the disk or the quota is full. A write of which only a
 * part went in is the last one before that error, and all that tar(1) reports then.
 */
export function isFull(text: string): boolean {
  return /: (No space left on device|Disk quota exceeded|Wrote only \d+ of \d+ bytes)\b/.test(text);
}

function present<T>(stream: T | null): T {
  if (stream === null) throw new TypeError('that stream was not asked for');
  return stream;
}
