/** The same with a supervisor that succeeds, and looks at each of its own steps. */
import {buildWithSanitizers} from './build.ts';

process.env['CHROOTCTL_TEST_INSTALLED'] = buildWithSanitizers();
// It gives back nothing at its end: that is what the end is for.
process.env['ASAN_OPTIONS'] = 'detect_leaks=0';
process.env['CHROOTCTL_TEST_SUCCESSION'] = '1';
await import('../streams.test.ts');
