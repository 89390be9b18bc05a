/** The same where the supervisor makes the sandbox. */
import {useOwnWall} from './build.ts';

useOwnWall();
await import('../chain.test.ts');
