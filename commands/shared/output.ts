/**
 * What we print, written at once and looked at: a full disk or a reader that has gone is an error like any other, where
 * a stream of Node's would tell of it later, to nobody. A `run` whose command has the output makes no stream at all.
 */
import {ChrootctlError, errnoOf, whyOf} from '../../src/errors.ts';
import {writeAll} from '../../src/system/output.ts';

const STDOUT = 1;
const STDERR = 2;

/** An answer that could not be written. */
export class Untold extends ChrootctlError {
  constructor(cause: unknown, hint: string) {
    super('FAILED', `cannot write to standard output: ${whyOf(cause)}`, {hint, cause});
  }
}

/** Writes to standard output. @throws Untold */
export function print(text: string): void {
  try {
    writeAll(STDOUT, text);
  } catch (error) {
    throw new Untold(
      error,
      errnoOf(error) === 'EPIPE'
        ? 'what it has got is incomplete'
        : 'what is there is incomplete: make room, or send it elsewhere',
    );
  }
}

let isUnheard = false;

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
  return isUnheard && code === 0 ? failed : code;
}
