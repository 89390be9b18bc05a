/** The same where the supervisor makes the calls, and not flock(1). */
import {expect} from '@jest/globals';
import {join} from 'node:path';
import {installedIn, supervisorProgram} from '../../../src/system/installed.ts';
import {CHECKOUT} from '../../cli/chrootctl.ts';

installedIn(join(CHECKOUT, 'dist'));
expect(supervisorProgram()).toBeDefined();
await import('../life.test.ts');
