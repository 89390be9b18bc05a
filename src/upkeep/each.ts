/** Collecting what was found: at once where that is faster, and one that cannot be collected does not keep the others. */
import {withReserve} from '../store/reserve.ts';
import type {Store} from '../store/store.ts';
import {throwIfInterrupted} from '../system/interruption.ts';
import type {Leftover} from './litter.ts';

type Collectable = Pick<Leftover, 'collect' | 'batch'>;

/** Tells of each, with the error if it could not be collected. @throws Interrupted when there is more to collect */
export async function collectEach<T extends Collectable>(
  store: Store,
  found: readonly T[],
  tell: (one: T, ...error: [unknown?]) => void,
): Promise<void> {
  for (const [, members] of Map.groupBy(found, (one) => one.batch?.collect ?? one)) await together(members);

  async function together(members: readonly T[]): Promise<void> {
    const [first] = members;
    if (first === undefined) return;
    try {
      await withReserve(store.layout, () => (members.length === 1 ? first.collect() : collectBatch(members)));
      for (const one of members) tell(one);
    } catch (error) {
      if (members.length === 1) tell(first, error);
      else {
        // What is left then is still there for the next one.
        throwIfInterrupted(GOES_ON);
        // Which one it is that cannot be collected is found by halves.
        const half = Math.ceil(members.length / 2);
        await together(members.slice(0, half));
        await together(members.slice(half));
      }
    }
    throwIfInterrupted(GOES_ON);
  }
}

const GOES_ON = 'chrootctl gc goes on with the rest';

async function collectBatch(members: readonly Collectable[]): Promise<void> {
  const [first] = members;
  await first?.batch?.collect(members.flatMap(({batch}) => batch?.id ?? []));
}
