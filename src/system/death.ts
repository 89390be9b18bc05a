/** Programs that were ended by a signal: they have said nothing, so the signal is all that can be told. */
import {constants} from 'node:os';
import {ChrootctlError} from '../errors.ts';

const REMEDIES: Partial<Record<string, string>> = {
  SIGKILL: 'was there not enough memory? The kernel log (dmesg) tells',
  SIGXFSZ: 'no file may grow as large here: raise the limit (ulimit -f)',
  SIGXCPU: 'it may not compute as long here: raise the limit (ulimit -t)',
};

/** The name of the signal that a shell reports by this code; null for none. */
export function signalOf(exitCode: number): string | null {
  return signalName(exitCode - 128);
}

export function signalName(wanted: number): string | null {
  return Object.entries(constants.signals).find(([, number]) => number === wanted)?.[0] ?? null;
}

/** The exit code that tells of a signal. */
export function codeOf(signal: NodeJS.Signals | null | undefined): number {
  return 128 + (signal === null || signal === undefined ? 0 : constants.signals[signal]);
}

/**
 * The error for a program that a signal has ended before it could say anything; undefined for any other.
 * @param failing what has failed, as the beginning of a message
 */
export function deathOf(
  failing: string,
  {code, stderr}: {code: number; stderr: string},
): ChrootctlError | undefined {
  const signal = signalOf(code);
  if (signal === null || stderr.trim() !== '') return undefined;
  return new ChrootctlError('FAILED', `${failing}: its program was ended by ${signal}`, {
    hint: REMEDIES[signal],
  });
}
