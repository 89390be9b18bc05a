import Sequencer from '@jest/test-sequencer';

/** The guest with ZFS takes longest by far, and waits for itself: the rest runs meanwhile. */
export default class GuestFirst extends Sequencer {
  sort(tests) {
    const isGuest = ({path}) => path.endsWith('/test/vm/zfs.test.ts');
    const sorted = super.sort(tests);
    return [...sorted.filter(isGuest), ...sorted.filter((test) => !isGuest(test))];
  }
}
