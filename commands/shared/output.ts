/**
 * What we print, written at once and looked at: a full disk or a reader that has gone is an error like any other, where
 * a stream of Node's would tell of it later, to nobody. A `run` whose command has the output makes no stream at all.
 */
import {ChrootctlError, errnoOf, EXIT_CODES, whyOf} from '../../src/errors.ts';
import {LongOutput, writeAll} from '../../src/system/output.ts';

const STDOUT = 1;
const STDERR = 2;

/** An answer that could not be written. */
export class Untold extends ChrootctlError {
  readonly #facts: object;

  /** @param done what it was to tell, where that is done all the same */
  constructor(cause: unknown, hint: string, done?: object) {
    const code = done === undefined ? 'FAILED' : 'INCOMPLETE';
    super(code, `cannot write to standard output: ${whyOf(cause)}`, {hint, cause});
    this.#facts = done ?? {};
  }

  override toJSON(): ReturnType<ChrootctlError['toJSON']> {
    return {...this.#facts, ...super.toJSON()};
  }
}

/** Writes to standard output. @throws Untold */
export function print(text: string): void {
  try {
    writeAll(STDOUT, text);
  } catch (error) {
    throw untold(error);
  }
}

function untold(error: unknown): Untold {
  return new Untold(
    error,
    errnoOf(error) === 'EPIPE'
      ? 'what it has got is incomplete'
      : 'what is there is incomplete: make room, or send it elsewhere',
  );
}

/** Characters that are written at once: as much as a pipe holds. */
const AT_ONCE = 1 << 16;

let isIncomplete = false;

/** Whether a part of an answer is on standard output: an error does not go there then. */
export function isPartThere(): boolean {
  return isIncomplete;
}

/**
 * Writes pieces of text to standard output as they come, and asks for more when they have been taken.
 * @throws Untold, or what keeps the pieces from coming
 */
export async function printEach(pieces: AsyncIterable<string>): Promise<void> {
  const output = new LongOutput(STDOUT);
  try {
    let text = '';
    const flush = async (): Promise<void> => {
      isIncomplete ||= text !== '';
      await output.write(text).catch((error: unknown) => {
        throw errnoOf(error) === undefined ? error : untold(error);
      });
      text = '';
    };
    for await (const piece of pieces) {
      text += piece;
      if (text.length >= AT_ONCE) await flush();
    }
    await flush();
    isIncomplete = false;
  } finally {
    output.close();
  }
}

let isUnheard = false;
let isDone = false;

/** From here on something is done for good, and whoever hears of nothing but a failure would do it again. */
export function markDone(): void {
  isDone = true;
}

/** Writes to standard error. Nothing is left undone where that fails; the exit code tells, see `exitCodeAtEnd`. */
export function complain(text: string): void {
  try {
    writeAll(STDERR, text);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    isUnheard = true;
  }
}

/** The exit code, when all else is done: not that of a success where something could not be said. */
export function exitCodeAtEnd(code: number, failed: number): number {
  if (!isUnheard || code !== 0) return code;
  return isDone ? EXIT_CODES.INCOMPLETE : failed;
}
