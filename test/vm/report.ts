/** What came of tests in guests, as tests of jest. */
import {describe, test} from '@jest/globals';
import type {SuiteResult} from './results.ts';

/** Prints each line of progress as it comes, where that is wanted: else one waits for long without a word. */
export const onProgress =
  process.env['CHROOTCTL_VM_VERBOSE'] === undefined
    ? undefined
    : (line: string): void => void process.stderr.write(`vm: ${line}\n`);

/** @param isWhole whether a suite without any test has something wrong with it */
export function report(results: readonly SuiteResult[], isWhole = true): void {
  describe.each(results)('$suite', ({tests, trouble}) => {
    for (const {title, outcome, error} of tests) {
      (outcome === 'skipped' ? test.skip : test)(title, () => {
        if (outcome === 'failed') throw failure(error ?? 'failed without a reason');
      });
    }
    const missing = tests.length === 0 && isWhole ? 'has no tests' : undefined;
    const wrong = trouble ?? missing;
    if (wrong !== undefined) {
      test('runs to its end', () => {
        throw failure(wrong);
      });
    }
  });
}

/** An error from the guest, which jest shows with the guest's stack. */
function failure(stack: string): Error {
  return Object.assign(new Error(stack.split('\n    at ')[0]), {stack});
}
