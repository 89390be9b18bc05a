/** Dropping versions that nothing refers to: no tag points at them and no session uses them. */
import {ChrootctlError} from '../errors.ts';
import type {VersionRecord} from '../store/records.ts';
import {withReserve} from '../store/reserve.ts';
import type {Store} from '../store/store.ts';
import {listVersions} from './list.ts';
import {removeVersion, type Removed} from './remove.ts';

export interface PruneOptions {
  /** Only this image. */
  image?: string | undefined;
  /** Keep the newest N versions of each image, tagged ones counted. */
  keep?: number | undefined;
  /** Only versions that were made longer ago than this many seconds. */
  olderThan?: number | undefined;
  /** Tell what would go, and leave it. */
  dryRun?: boolean | undefined;
}

/** Bytes are what the versions took on disk themselves; an heir may need some of them for a while longer. */
export interface Pruned {
  removed: (Removed & {size: number})[];
  bytes: number;
}

/** @throws ChrootctlError NOT_FOUND */
export async function prune(store: Store, options: PruneOptions): Promise<Pruned> {
  return withReserve(store.layout, () => pruneImages(store, options));
}

async function pruneImages(
  store: Store,
  {image, keep = 0, olderThan = 0, dryRun = false}: PruneOptions,
): Promise<Pruned> {
  const names =
    image === undefined ? store.imageNames() : [...new Set(listVersions(store, image).map((v) => v.image))];
  const latestDate = Date.now() - olderThan * 1000;
  const removed: Pruned['removed'] = [];
  for (const name of names) {
    const known = store.image(name);
    await known.change(async (change) => {
      const tagged = new Set(Object.values(known.refs().tags));
      const unused = known
        .versions()
        .slice(0, keep === 0 ? undefined : -keep)
        .filter(({id, created}) => !tagged.has(id) && Date.parse(created) <= latestDate);
      for (const version of unused) {
        if (dryRun ? store.sessions.pinning(version.id).length > 0 : !(await removedUnlessBusy(version)))
          continue;
        removed.push({image: name, version: version.id, size: version.size});
      }

      async function removedUnlessBusy({id}: VersionRecord): Promise<boolean> {
        try {
          await removeVersion(store, change, id);
          return true;
        } catch (error) {
          if (error instanceof ChrootctlError && error.code === 'BUSY') return false;
          throw error;
        }
      }
    });
  }
  return {removed, bytes: removed.reduce((sum, {size}) => sum + size, 0)};
}
