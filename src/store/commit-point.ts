/**
 * What is told when something fails after the commit point. What was asked for is done then, and whoever takes the error
 * for "nothing has happened" would do it a second time.
 */
import {ChrootctlError, toChrootctlError} from '../errors.ts';
import {Interrupted} from '../system/interruption.ts';
import {Unconfirmed} from '../system/files.ts';

/** What has happened for good. */
export interface Done {
  /** A sentence without its full stop. */
  words: string;
  /** What becomes of what did not happen any more. */
  rest: string;
  /** For programs. */
  facts: Readonly<Record<string, unknown>>;
}

export type Tell = (done: Done) => void;

export class Incomplete extends ChrootctlError {
  readonly #facts: Done['facts'];

  constructor({words, rest, facts}: Done, error: unknown) {
    const {message, hint, also} = toChrootctlError(
      error instanceof Interrupted ? error.withHint(undefined) : error,
    );
    super('INCOMPLETE', `${words}, but then something failed: ${message}`, {
      hint: `do not do it again: ${rest}${hint === undefined ? '' : ` (${hint})`}`,
      cause: error,
    });
    this.also.push(...also);
    this.#facts = facts;
  }

  override toJSON(): ReturnType<ChrootctlError['toJSON']> {
    return {...super.toJSON(), ...this.#facts};
  }
}

/**
 * Runs `work`, which tells what it has done as soon as that is so, before anything else can fail. An error that comes
 * later says it.
 * @throws Incomplete
 */
export async function telling<T>(work: (tell: Tell) => Promise<T>): Promise<T> {
  let done: Done | undefined;
  try {
    return await work((what) => (done = what));
  } catch (error) {
    throw done === undefined || error instanceof Incomplete ? error : new Incomplete(done, error);
  }
}

/** Runs the write that is the commit point, and tells as soon as that is passed, whether the disk has confirmed it or not. */
export function passing(write: () => void, told: () => void): void {
  try {
    write();
  } catch (error) {
    if (error instanceof Unconfirmed) told();
    throw error;
  }
  told();
}
