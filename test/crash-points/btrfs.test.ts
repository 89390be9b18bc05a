import {crashPoints} from './suite.ts';

crashPoints('btrfs');
