import {everyName} from './choice.ts';
import {crashPoints} from './suite.ts';

crashPoints('overlay', everyName('overlay'));
