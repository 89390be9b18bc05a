/**
 * The tests that need real ZFS. They run in guests before jest hears of them; here each is a test with the outcome that
 * it had there.
 */
import {describe, test} from '@jest/globals';
import {runSuites} from './run-suites.ts';
import {PROGRAMS, SUITES} from './suites.ts';

const suitePattern = new RegExp(process.env['CHROOTCTL_VM_SUITES'] ?? '');
const titles = process.env['CHROOTCTL_VM_TESTS'];
const verbose = process.env['CHROOTCTL_VM_VERBOSE'] !== undefined;

const results = await runSuites({
  suites: SUITES.filter(({path}) => suitePattern.test(path)),
  programs: PROGRAMS,
  titles,
  onProgress: verbose ? (line) => process.stderr.write(`vm: ${line}\n`) : undefined,
});

describe.each(results)('$suite', ({tests, trouble}) => {
  for (const {title, outcome, error} of tests) {
    (outcome === 'skipped' ? test.skip : test)(title, () => {
      if (outcome === 'failed') throw failure(error ?? 'failed without a reason');
    });
  }
  const missing = tests.length === 0 && titles === undefined ? 'has no tests' : undefined;
  const wrong = trouble ?? missing;
  if (wrong !== undefined) {
    test('runs to its end', () => {
      throw failure(wrong);
    });
  }
});

/** An error from the guest, which jest shows with the guest's stack. */
function failure(stack: string): Error {
  return Object.assign(new Error(stack.split('\n    at ')[0]), {stack});
}
