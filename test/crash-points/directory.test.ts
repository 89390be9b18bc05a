import {everyName} from './choice.ts';
import {crashPoints} from './suite.ts';

crashPoints('directory', everyName('directory'));
