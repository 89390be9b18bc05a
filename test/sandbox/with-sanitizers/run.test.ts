/** The same with a supervisor that looks at each of its own steps. */
import {buildWithSanitizers} from './build.ts';

process.env['CHROOTCTL_TEST_INSTALLED'] = buildWithSanitizers();
await import('../run.test.ts');
