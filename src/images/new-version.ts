/** A version of a volume that is made for it: if that fails, nothing of it is left. */
import {discard} from '../session/discard.ts';
import {
  publish,
  publishedOf,
  type CommitOptions,
  type Committed,
  type Publication,
} from '../session/publish.ts';
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
  publication: Omit<Publication, 'freeze'>,
  make: () => Promise<void>,
): Promise<Committed> {
  const {volume} = record;
  let published: string[] = [];
  try {
    await make();
    const committed = await publish(store, {
      ...publication,
      freeze: async (note) => {
        await store.driver.freeze(volume, note);
        return volume;
      },
    });
    published = [volume];
    return committed;
  } catch (error) {
    published = publishedOf(store, publication.image, [volume]);
    throw error;
  } finally {
    await discard(store, record, published);
  }
}
