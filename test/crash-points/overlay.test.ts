import {crashPoints} from './suite.ts';

crashPoints('overlay');
