/**
 * The tests that need real ZFS. They run in guests before jest hears of them; here each is a test with the outcome that
 * it had there.
 */
import {onProgress, report} from './report.ts';
import {runSuites} from './run-suites.ts';
import {PROGRAMS, SUITES} from './suites.ts';

const suitePattern = new RegExp(process.env['CHROOTCTL_VM_SUITES'] ?? '');
const titles = process.env['CHROOTCTL_VM_TESTS'];

const results = await runSuites({
  suites: SUITES.filter(({path}) => suitePattern.test(path)),
  programs: PROGRAMS,
  titles,
  onProgress,
});

report(results, titles === undefined);
