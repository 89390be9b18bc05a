/** Programs of our own calling in a testbed: by the same words as those of whom we serve. */
import {ChrootctlError} from '../errors.ts';
import {attempt, lastLine} from '../system/programs.ts';

/**
 * @param execute the words before those of the command
 * @throws ChrootctlError FAILED with the last line of its standard error
 */
export async function runInside(execute: readonly string[], command: readonly string[]): Promise<void> {
  const [program = '', ...words] = execute;
  const {code, stderr} = await attempt(program, [...words, ...command], {isEndable: true});
  if (code === 0) return;
  throw new ChrootctlError(
    'FAILED',
    `${command.join(' ')} failed in the testbed (exit code ${code}): ${lastLine(stderr)}`,
  );
}
