/**
 * Between a file of the host and the pipe that the command has instead (streams.ts). Where the supervisor has taken our
 * place it does the same (native/supervisor/relaying.c), and we say what went wrong.
 */
import {closeSync, constants, openSync, read, readSync, write, writeSync} from 'node:fs';
import {constants as systems} from 'node:os';
import {getSystemErrorMap} from 'node:util';
import {ChrootctlError, errnoOf, FREE_SPACE, messageOf} from '../errors.ts';
import {openFile} from './descriptors.ts';
import {runAtOnce} from '../system/programs.ts';

const CHUNK = 256 * 1024;
const {O_RDONLY, O_WRONLY, O_NONBLOCK} = constants;

/** From a file to the command. */
export class InputRelay {
  readonly #file: number;
  readonly #start: number;
  /** A reading end of ours: what the command has left in the pipe comes out here. */
  readonly #rest: number;
  #to: number | undefined;
  #written = 0;
  readonly #done: Promise<void>;
  readonly #state = {isEnding: false, isDone: false};

  /** @param pipe path by which the pipe can be opened */
  constructor(file: number, pipe: string) {
    this.#file = file;
    this.#start = openFile(file).position;
    this.#rest = openSync(pipe, O_RDONLY | O_NONBLOCK);
    this.#to = openSync(pipe, O_WRONLY);
    this.#done = this.#feed();
    this.#done.catch(() => undefined); // It is awaited at the end.
  }

  /** Read at a position of our own, the file's is where it was; it is moved by what the command has taken. */
  async #feed(): Promise<void> {
    const chunk = Buffer.allocUnsafe(CHUNK);
    try {
      for (;;) {
        const count = readSync(this.#file, chunk, 0, CHUNK, this.#start + this.#written);
        if (count === 0 || this.#state.isEnding) return;
        this.#written += await writeTo(this.#to ?? -1, chunk.subarray(0, count));
      }
    } catch (error) {
      throw failed('cannot read standard input', error);
    } finally {
      this.#closeWriter();
      this.#state.isDone = true;
    }
  }

  async finish(): Promise<void> {
    this.#state.isEnding = true;
    let left = 0;
    const rest = Buffer.allocUnsafe(CHUNK);
    try {
      // A write waits for room in the pipe; it has it as soon as something was taken out.
      for (let isLast = false; !isLast;) {
        isLast = this.#state.isDone;
        for (let count = take(this.#rest, rest); count > 0; count = take(this.#rest, rest)) left += count;
        if (!isLast) await new Promise((resolve) => setImmediate(resolve));
      }
      await this.#done;
    } finally {
      this.#closeWriter();
      closeSync(this.#rest);
    }
    this.#advance(this.#written - left);
  }

  #closeWriter(): void {
    if (this.#to !== undefined) closeSync(this.#to);
    this.#to = undefined;
  }

  /** Whoever reads the file next goes on where the command stopped. dd(1), since Node has no lseek(2). */
  #advance(bytes: number): void {
    if (bytes <= 0) return;
    const words = ['bs=1', 'count=0', `skip=${bytes}`];
    if (runAtOnce('dd', words, [this.#file, 'ignore', 'ignore']) !== 0) throw positionLost();
  }
}

/** From the command to a file. */
export class OutputRelay {
  readonly #done: Promise<void>;

  /** @param pipe path by which the pipe can be opened */
  constructor(file: number, name: string, pipe: string) {
    this.#done = drain(openToRead(pipe), file, name);
    this.#done.catch(() => undefined); // It is awaited at the end.
  }

  finish(): Promise<void> {
    return this.#done;
  }
}

/** A reading end on which a read waits. To open it waits for a writer, so that there has to be one: for a moment ours. */
function openToRead(pipe: string): number {
  const reader = openSync(pipe, O_RDONLY | O_NONBLOCK);
  try {
    const writer = openSync(pipe, O_WRONLY);
    try {
      return openSync(pipe, O_RDONLY);
    } finally {
      closeSync(writer);
    }
  } finally {
    closeSync(reader);
  }
}

async function drain(pipe: number, file: number, name: string): Promise<void> {
  const chunk = Buffer.allocUnsafe(CHUNK);
  try {
    for (let count = await readFrom(pipe, chunk); count > 0; count = await readFrom(pipe, chunk)) {
      try {
        for (let at = 0; at < count;) at += writeSync(file, chunk, at, count - at);
      } catch (error) {
        throw failed(`cannot write ${name}`, error);
      }
    }
  } finally {
    closeSync(pipe); // Where that is before its end, the command is told by SIGPIPE.
  }
}

/** 0 at the end. */
function readFrom(fd: number, into: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, into, 0, into.length, null, (error, count) => (error === null ? resolve(count) : reject(error)));
  });
}

function writeTo(fd: number, data: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, data, 0, data.length, null, (error, written) =>
      error === null ? resolve(written) : reject(error),
    );
  });
}

/** 0 when the pipe is empty. */
function take(fd: number, into: Buffer): number {
  try {
    return readSync(fd, into, 0, into.length, null);
  } catch (error) {
    if (errnoOf(error) === 'EAGAIN') return 0;
    throw error;
  }
}

/** What went wrong where another process relayed: with a stream, by its name, and the number of the error (errno(3)). */
export function relayFailure(name: string, direction: 'read' | 'write', errno: number): ChrootctlError {
  if (errno === 0) return positionLost();
  const [code, text] = getSystemErrorMap().get(-errno) ?? [nameOf(errno), 'unknown error'];
  const error = Object.assign(new Error(`${code}: ${text}, ${direction}`), {code, errno, syscall: direction});
  return failed(`cannot ${direction} ${name}`, error);
}

function nameOf(errno: number): string {
  return Object.entries(systems.errno).find(([, number]) => number === errno)?.[0] ?? 'UNKNOWN';
}

function positionLost(): ChrootctlError {
  return new ChrootctlError('FAILED', 'cannot leave standard input where the command stopped reading');
}

function failed(what: string, error: unknown): ChrootctlError {
  const isFull = ['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '');
  return new ChrootctlError('FAILED', `${what}: ${messageOf(error)}`, {
    ...(isFull ? {hint: FREE_SPACE} : {}),
    cause: error,
  });
}
