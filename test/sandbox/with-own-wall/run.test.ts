/** The same where the supervisor makes the sandbox. */
import {useOwnWall} from './build.ts';

useOwnWall();
await import('../run.test.ts');
