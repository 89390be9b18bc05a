/** The program that ships, which nothing can be loaded into: killed at its system calls. */
import {everyName} from './choice.ts';
import {crashPoints} from './suite.ts';
import {TRACED} from './ways.ts';

crashPoints('overlay', everyName('overlay'), TRACED);
