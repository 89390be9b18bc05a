/** Turning the clone of a command into a session that is kept, so that no work is lost. */
import {ChrootctlError, messageOf} from '../errors.ts';
import type {SessionRecord} from '../store/records.ts';
import {withReserve} from '../store/reserve.ts';
import type {Store} from '../store/store.ts';
import {toTheEnd} from '../system/interruption.ts';
import {removePlaces} from './places.ts';
import {restoreRoot} from './root.ts';

/** How a clone was kept. */
export interface Kept {
  /** Whether it is a session now. If not, the clone is still there, and anybody's to collect once we have ended. */
  isSession: boolean;
  /** What went wrong with it, and what to do about that. */
  trouble?: ChrootctlError;
}

/** A disk may refuse one write and take the next. */
const ATTEMPTS = 3;

/**
 * For the clone's owner, when its command has ended; whoever asks to stop meanwhile has to wait. Throws nothing: there is
 * always something to be told.
 */
export function keepClone(store: Store, record: SessionRecord): Promise<Kept> {
  return toTheEnd(() => kept(store, record));
}

async function kept(store: Store, record: SessionRecord): Promise<Kept> {
  const {id, volume} = record;
  const troubles: unknown[] = [];
  let {places} = record;
  try {
    await removePlaces(store, record);
    places = [];
    // The volume did without syncs so far; frozen, it is safe on disk, and the session goes on in a clone of it.
    await store.driver.freeze(volume);
  } catch (error) {
    troubles.push(error);
  }
  const changing: SessionRecord = {
    ...record,
    kind: 'session',
    ephemeral: false,
    changing: true,
    places,
  };
  // It stays, also when it cannot be brought to the disk. Whoever sees it kept can change it.
  let isSession = false;
  for (let attempt = 1; attempt <= ATTEMPTS && !isSession; attempt++) {
    try {
      await store.sessions.locked(id, async () => {
        await withReserve(store.layout, () => {
          store.sessions.replace(changing);
        });
        isSession = true;
        await restoreRoot(store, changing);
      });
    } catch (error) {
      isSession ||= store.sessions.find(id)?.ephemeral === false;
      if (isSession || attempt === ATTEMPTS) troubles.push(error);
    }
  }
  const [first] = troubles;
  if (first === undefined) return {isSession};
  return {isSession, trouble: isSession ? unsafe(id, first) : lost(store, record, first)};
}

function unsafe(id: string, cause: unknown): ChrootctlError {
  return new ChrootctlError('FAILED', `session ${id} keeps the work, but not safely: ${messageOf(cause)}`, {
    hint: `commit it when that is mended (chrootctl commit ${id}); look at it now (chrootctl diff ${id})`,
    cause,
  });
}

function lost(store: Store, {id, volume}: SessionRecord, cause: unknown): ChrootctlError {
  return new ChrootctlError(
    'FAILED',
    `the work is in volume ${volume} of ${store.root}, and no session could be made of it: ${messageOf(cause)}`,
    {hint: `copy it from there before anything collects what the run ${id} has left (chrootctl gc)`, cause},
  );
}
