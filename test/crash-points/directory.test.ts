import {crashPoints} from './suite.ts';

crashPoints('directory');
