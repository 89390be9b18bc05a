/** A version of a volume that is made for it: if that fails, nothing of it is left. */
import {discard} from '../session/discard.ts';
import {afterwards} from '../errors.ts';
import {
  publish,
  publishedOf,
  type CommitOptions,
  type Committed,
  type Publication,
} from '../session/publish.ts';
import {telling} from '../store/commit-point.ts';
import type {SessionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';

export interface NewImage extends Pick<CommitOptions, 'message' | 'labels' | 'bump' | 'force'> {
  /** `IMAGE[:TAG]`: `latest` moves too. */
  target: string;
}

/**
 * @param record names the volume, and pins the version that it is made from
 * @param make makes the volume and fills it
 * @throws ChrootctlError CONFLICT when `latest` moved meanwhile
 */
export async function newVersion(
  store: Store,
  record: SessionRecord,
  publication: Omit<Publication, 'freeze' | 'tell'>,
  make: () => Promise<void>,
): Promise<Committed> {
  return telling((tell) => makeVersion(store, record, {...publication, tell}, make));
}

async function makeVersion(
  store: Store,
  record: SessionRecord,
  publication: Omit<Publication, 'freeze'>,
  make: () => Promise<void>,
): Promise<Committed> {
  const {volume} = record;
  let committed: Committed;
  const endWatch = store.driver.watch?.();
  let isMade = false;
  try {
    await store.sessions.lockForLife(record.id);
    await make();
    committed = await publish(store, {
      ...publication,
      tell: (done) => {
        isMade = true;
        publication.tell?.(done);
      },
      freeze: async (note) => {
        await store.driver.freeze(volume, note);
        return volume;
      },
    });
  } catch (error) {
    throw await afterwards(error, () =>
      discard(store, record, isMade ? [volume] : publishedOf(store, publication.image, [volume])),
    );
  } finally {
    endWatch?.();
  }
  await discard(store, record, [volume]);
  return committed;
}
