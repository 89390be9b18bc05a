/** Deaths on ZFS, in a guest of their own. */
import {onProgress, report} from './report.ts';
import {runSuites} from './run-suites.ts';

report(
  await runSuites({
    suites: [{path: 'test/vm/crash-points/zfs.test.ts'}],
    programs: [],
    files: ['test/crash-points/hook.cjs', 'test/crash-points/names.cjs'],
    onProgress,
  }),
);
