/** The one place where an error becomes text and an exit code. */
import {ChrootctlError, EXIT_CODES, toChrootctlError, type ErrorCode} from '../../src/errors.ts';
import {complain, isPartThere, print, Untold} from './output.ts';

/** docker's code for "it was not your command that failed". */
const RUNNER_FAILED = 125;

/** The same in a testbed: in autopkgtest's protocol 125 is a command's. */
const TESTBED_FAILED = 255;

/** Commands whose exit code is that of the command they run. */
const RUNNERS = new Set(['run', 'exec']);

/** Prints what happened and what to do; gives the exit code. */
export function reportFailure(thrown: unknown, argv: readonly string[]): number {
  const error = fromFramework(thrown) ?? toChrootctlError(thrown);
  const isRunner = isRunnerIn(argv);
  if (argv.includes('--json')) {
    const text = `${JSON.stringify({error}, null, 2)}\n`;
    // Where stdout belongs to the command that was run, takes nothing, or has a part of the answer, it goes beside it.
    if (isRunner || error instanceof Untold || isPartThere() || !isPrinted(text)) complain(text);
  } else {
    complain(`chrootctl: ${oneLine(error.message)}\n`);
    for (const line of error.also) complain(`chrootctl: ${oneLine(line)}\n`);
    if (error.hint !== undefined) complain(`  ${error.hint}\n`);
  }
  if (argv.includes('--debug')) complain(`${stacks(thrown)}\n`);
  return isOfTestbed(argv) ? TESTBED_FAILED : exitCode(error, isRunner);
}

/** The exit code for "something went wrong". */
export function failedCode(argv: readonly string[]): number {
  return isOfTestbed(argv) ? TESTBED_FAILED : isRunnerIn(argv) ? RUNNER_FAILED : EXIT_CODES.FAILED;
}

function isOfTestbed(argv: readonly string[]): boolean {
  return argv[0] === 'exec' && argv.includes('--testbed');
}

function isRunnerIn(argv: readonly string[]): boolean {
  return RUNNERS.has(argv[0] ?? '');
}

function isPrinted(text: string): boolean {
  try {
    print(text);
    return true;
  } catch (error) {
    if (error instanceof Untold) return false;
    throw error;
  }
}

/** These keep their own code in `run` and `exec` too; no command can have run, or it has ended with 0. */
const TELLING = new Set<ErrorCode>(['USAGE', 'CONFLICT', 'INCOMPLETE']);

function exitCode(error: ChrootctlError, isRunner: boolean): number {
  return isRunner && !TELLING.has(error.code) ? RUNNER_FAILED : error.exitCode;
}

/** The framework's complaints about flags and arguments are wrong usage. */
function fromFramework(thrown: unknown): ChrootctlError | undefined {
  if (!(thrown instanceof Error) || !('oclif' in thrown)) return undefined;
  const exit = (thrown.oclif as {exit?: number} | undefined)?.exit;
  if (exit !== EXIT_CODES.USAGE) return undefined;
  const [message = '', ...more] = thrown.message.replace(/\nSee more help with --help$/, '').split('\n');
  return new ChrootctlError(
    'USAGE',
    [message, ...more.map((line) => line.trim())].filter((line) => line !== '').join(' '),
    {
      hint: /^Unexpected argument/.test(message)
        ? 'the words of a command to run go after --, as in: chrootctl run debian -- ls -l'
        : 'chrootctl COMMAND --help shows what it takes',
      cause: thrown,
    },
  );
}

function oneLine(text: string): string {
  return text.replaceAll('\n', ' ');
}

function stacks(thrown: unknown): string {
  const lines: string[] = [];
  for (let at: unknown = thrown; at instanceof Error; at = at.cause) lines.push(at.stack ?? at.message);
  return lines.join('\ncaused by: ');
}
