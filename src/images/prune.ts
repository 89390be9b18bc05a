/** Dropping versions that nothing refers to: no tag points at them and no session uses them. */
import {parseReference} from '../reference.ts';
import type {Image} from '../store/image.ts';
import {messageIfDamaged, type VersionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {existing} from './list.ts';
import {removeUnused, type Removed} from './remove.ts';

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
  /** Images that stay as they are since something of them cannot be read: one line for each. */
  left: string[];
}

/** @throws ChrootctlError NOT_FOUND */
export async function prune(store: Store, options: PruneOptions): Promise<Pruned> {
  const {image, keep = 0, olderThan = 0, dryRun = false} = options;
  // By its name only: who gives the id of a version does not mean the others of its image.
  const names = image === undefined ? store.imageNames() : [existing(store, parseReference(image)).name];
  const latestDate = Date.now() - olderThan * 1000;
  const removed: Pruned['removed'] = [];
  const left: string[] = [];
  const unread = unreadSession(store);
  for (const name of names) {
    const known = store.image(name);
    const leave = (damage: string): void => void left.push(`image ${name} is left: ${damage}`);
    await known.change(async (change) => {
      const damage = damageOf(known) ?? unread;
      if (damage !== undefined) {
        leave(damage);
        return;
      }
      // A version that no move has led to is not untagged: its commit died, or the tags are older than it.
      const published = new Set(known.history().map(({to}) => to));
      const tagged = new Set(Object.values(known.refs().tags));
      // Also those whose removal was interrupted, perhaps by a full disk a moment ago: they go with the others.
      const untagged = (known.allVersions() ?? known.versions())
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, keep === 0 ? undefined : -keep)
        .filter(({id, created}) => !tagged.has(id) && published.has(id) && Date.parse(created) <= latestDate);
      if (untagged.length === 0) return;
      const unreadSince = unreadSession(store);
      if (unreadSince !== undefined) {
        leave(unreadSince);
        return;
      }
      const ids = untagged.map(({id}) => id);
      const gone = new Set(dryRun ? unusedIn(store, untagged) : await removeUnused(store, change, ids));
      for (const {id, size} of untagged) if (gone.has(id)) removed.push({image: name, version: id, size});
    });
  }
  return {removed, bytes: removed.reduce((sum, {size}) => sum + size, 0), left};
}

function unusedIn({sessions}: Store, versions: readonly VersionRecord[]): string[] {
  const pins = sessions.pins(versions);
  return versions.flatMap(({id}) => (pins.has(id) ? [] : id));
}

/** A session whose record cannot be read may use any version. */
function unreadSession({sessions}: Store): string | undefined {
  const [damaged] = sessions.damaged();
  return damaged && `${damaged.path} cannot be read, and may use any of its versions`;
}

/** What keeps anybody from telling which versions are in use. */
function damageOf(image: Image): string | undefined {
  return (
    messageIfDamaged(() => image.refs()) ?? messageIfDamaged(() => image.history()) ?? lostVersionOf(image)
  );
}

/** Where the version that a tag names has no record, others may be all that is left of what it was made from. */
function lostVersionOf(image: Image): string | undefined {
  const known = new Set([...image.versionIds(), ...image.removingIds()]);
  const lost = Object.entries(image.refs().tags).find(([, id]) => !known.has(id));
  return lost && `${image.name}:${lost[0]} points to ${lost[1]}, which has no record`;
}
