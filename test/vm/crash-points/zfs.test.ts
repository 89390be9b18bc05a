/** In a guest, where a death takes a quarter of a minute: a few each time. */
import {few} from '../../crash-points/choice.ts';
import {crashPoints} from '../../crash-points/suite.ts';

crashPoints('zfs', few('zfs', 4, 2, /zfs/));
