/** How a sandbox ended, from what bubblewrap reported and what was said while it was set up. */
import {ChrootctlError, remedyIn} from '../errors.ts';
import {signalName} from '../system/death.ts';
import {lastLine} from '../system/programs.ts';
import {refusalOf} from '../system/refusal.ts';
import {STARTED} from './chain.ts';
import {PIPED} from './outer-program.ts';

/** How the chain ended. */
export interface Ending {
  timedOut: boolean;
  /** The number of the first signal that came for the command; none or 0: none came. */
  first?: number | undefined;
  /** The number of the one that ended the chain's first process; none or 0: it ended by itself. */
  signal?: number | undefined;
  /** What came on the status descriptor, and on the set-up descriptor. */
  status: string;
  said: string;
}

/** The exit code of timeout(1). */
const TIMED_OUT = 124;

/**
 * The exit code of the command.
 * @throws ChrootctlError when there is none
 */
export function exitCodeOf({timedOut, first = 0, signal = 0, status, said}: Ending): number {
  if (timedOut) return TIMED_OUT;
  const exitCode = reportedExitCode(status);
  if (exitCode !== undefined && hasStarted(said)) return exitCode;
  // A signal met the sandbox before it had come to its command, and did there what it would have done to that.
  if (first !== 0 && !hasStarted(said)) return 128 + first;
  throw failureOf(said, signal);
}

/** The exit code that bwrap(1) reports on --json-status-fd: absent when the command has not run to its end. */
export function reportedExitCode(status: string): number | undefined {
  const code = /"exit-code":\s*(\d+)/.exec(status)?.[1];
  return code === undefined ? undefined : Number(code);
}

/** Whether bwrap has made the process that becomes the command; from here on signals can go to it. */
export function isBorn(status: string): boolean {
  return status.includes('"child-pid"');
}

/** Whether the command's turn has come. */
export function hasStarted(said: string): boolean {
  return said.includes(STARTED);
}

/** Why there is no exit code. `said` is what came on the set-up descriptor. */
export function failureOf(said: string, signal: number): ChrootctlError {
  if (hasStarted(said)) {
    return new ChrootctlError(
      'FAILED',
      `the sandbox was ended from outside${signal === 0 ? '' : ` (${signalName(signal) ?? signal})`}`,
      {
        hint: 'something killed its processes; was the machine short of memory?',
      },
    );
  }
  // A program's explanation may go on over several lines; the first says what it is about.
  const line = said.split('\n').find((each) => /^[a-z]+: /.test(each) && each !== PIPED) ?? lastLine(said);
  const missing = /(?:exec: |: \d+: )?(bwrap|sh): not found/.exec(said)?.[1];
  if (missing !== undefined) {
    return new ChrootctlError('FAILED', `cannot start ${missing}`, {
      hint: missing === 'bwrap' ? 'install it: apt-get install bubblewrap' : `is ${missing} installed?`,
    });
  }
  const failing = 'cannot set up the sandbox';
  const refusal = refusalOf(failing, said);
  if (refusal !== undefined) return refusal;
  return new ChrootctlError('FAILED', `${failing}: ${line === '' ? 'no reason was given' : line}`, {
    hint: remedyIn(said),
  });
}
