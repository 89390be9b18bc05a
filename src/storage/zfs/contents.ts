/** What is in the store's room of a pool, once it is certain that it is this store's. */
import {ChrootctlError} from '../../errors.ts';
import {adoptHalfMade} from './half-made.ts';
import {list, type Dataset} from './listing.ts';
import {PROPERTY, type Room} from './names.ts';
import {isMarkOf, markOf} from './room.ts';

/**
 * All that is in the room.
 * @param owner root of the store that the room must belong to
 * @param directory where datasets may be mounted to look at them, out of others' sight
 * @param young milliseconds for which a dataset that is not whole may be in the making
 * @throws ChrootctlError NOT_FOUND when there is no room, so that nothing in it is taken for lost; FAILED when it is
 *   another store's, so that nothing in it is taken for needless
 */
export async function datasetsIn(
  room: Room,
  {owner, directory, young}: {owner: string | undefined; directory: string; young: number},
): Promise<Dataset[]> {
  const {dataset, volumes} = room;
  const listing = await list(volumes);
  if (listing === undefined) {
    throw new ChrootctlError('NOT_FOUND', `the dataset ${dataset} of the store is not there`, {
      hint: 'zpool import brings a pool back; zfs list shows what there is',
    });
  }
  if (owner === undefined || isMarkOf(listing.store, owner)) {
    await adoptHalfMade(room, listing.datasets, {directory, young});
    return listing.datasets;
  }
  throw new ChrootctlError(
    'FAILED',
    listing.store === undefined
      ? `the dataset ${dataset} bears no mark of this store`
      : `the dataset ${dataset} belongs to the store ${listing.store}, not to ${owner}`,
    {hint: `if that is wrong: zfs set ${PROPERTY.store}=${markOf(owner)} ${dataset}`},
  );
}

/** What is said of a volume that is nowhere in it. */
export function missing(id: string): ChrootctlError {
  return new ChrootctlError('NOT_FOUND', `there is no volume ${id}`, {
    hint: 'chrootctl doctor compares the records with what is in the pool',
  });
}
