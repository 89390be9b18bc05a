/**
 * Removing versions. A version is hidden first and then its users are looked for: a session that began meanwhile
 * either is seen here, and the version put back, or finds the version gone and resolves its reference anew.
 */
import {ChrootctlError} from '../errors.ts';
import {currentUser} from '../session/publish.ts';
import type {ImageChange} from '../store/image.ts';
import type {SessionRecord, VersionRecord} from '../store/records.ts';
import {readReference, resolveReference, tagsOf} from '../store/resolve.ts';
import {withReserve} from '../store/reserve.ts';
import type {Store} from '../store/store.ts';
import {describeOwner} from '../system/owners.ts';

export interface Removed {
  image: string;
  version: string;
}

/**
 * Removes the version that a reference names, or with a bare `IMAGE` the whole image.
 * @throws ChrootctlError NOT_FOUND; BUSY when it has tags and `force` is not given, or a session uses it
 */
export async function removeReference(
  store: Store,
  text: string,
  {force = false}: {force?: boolean} = {},
): Promise<Removed[]> {
  return withReserve(store.layout, () => remove(store, text, force));
}

async function remove(store: Store, text: string, force: boolean): Promise<Removed[]> {
  const reference = readReference(store, text);
  const image = store.image(reference.image);
  if (reference.selector.kind !== 'latest' || !image.exists()) {
    resolveReference(store, reference);
    return image.change(async (change) => {
      const {id} = resolveReference(store, reference); // Another removal may have come first.
      refuseTagged(tagsOf(image.refs().tags, id), force, `${image.name}@${id}`);
      await removeVersions(store, change, [id]);
      return [{image: image.name, version: id}];
    });
  }
  return image.change(async (change) => {
    if (!image.exists()) resolveReference(store, reference); // The same.
    refuseTagged(Object.keys(image.refs().tags), force, `image ${image.name}`);
    const ids = [...image.removingIds(), ...image.versionIds().reverse()];
    await removeVersions(store, change, ids);
    await change.dropImage();
    return ids.map((version) => ({image: image.name, version}));
  });
}

/**
 * Removes versions and the tags that point at them, or ends removals that were interrupted. For the holder of the
 * image's lock.
 * @throws ChrootctlError BUSY when a session uses one; all are then as they were
 */
export async function removeVersions(
  store: Store,
  change: ImageChange,
  ids: readonly string[],
): Promise<void> {
  const hiddenBefore = change.image.removingIds();
  const versions = change.hideVersions(ids);
  const pins = store.sessions.pins(versions);
  const used = ids.find((id) => pins.has(id));
  if (used !== undefined) {
    change.putBack(ids.filter((id) => id === used || !hiddenBefore.includes(id)));
    throw inUse(`${change.image.name}@${used}`, pins.get(used));
  }
  await removeHidden(store, change, versions);
  change.dropVersions(ids);
}

/** The same, but those that a session uses stay as they are. Gives the ids of the others. */
export async function removeUnused(
  store: Store,
  change: ImageChange,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const versions = change.hideVersions(ids);
  const pins = store.sessions.pins(versions);
  change.putBack(ids.filter((id) => pins.has(id)));
  const unused = ids.filter((id) => !pins.has(id));
  await removeHidden(
    store,
    change,
    versions.filter(({id}) => !pins.has(id)),
  );
  change.dropVersions(unused);
  return unused;
}

async function removeHidden(
  store: Store,
  change: ImageChange,
  versions: readonly VersionRecord[],
): Promise<void> {
  const {tags} = change.image.refs();
  const gone = versions.flatMap(({id}) => tagsOf(tags, id));
  await change.moveTags(Object.fromEntries(gone.map((tag) => [tag, null])), {
    action: 'remove',
    by: currentUser(),
    message: '',
  });
  if (versions.length > 0) await store.driver.remove(...versions.map(({volume}) => volume));
}

/**
 * Brings a removal that was interrupted to its end: removes the version, or puts it back if a session uses it. One that
 * was not interrupted, but was at work when it was seen, has ended by the time that we hold the image's lock.
 */
export async function finishRemoval(store: Store, change: ImageChange, id: string): Promise<void> {
  if (!change.image.removingIds().includes(id)) return;
  await removeUnused(store, change, [id]);
}

function inUse(what: string, user: SessionRecord | undefined): ChrootctlError {
  return new ChrootctlError('BUSY', `${what} is in use by session ${user?.id ?? ''}`, {
    hint:
      user?.ephemeral === true
        ? `wait until it ends (${describeOwner(user.owner)})`
        : `end it: chrootctl session end ${user?.id ?? ''}`,
  });
}

function refuseTagged(tags: readonly string[], force: boolean, what: string): void {
  if (tags.length === 0 || force) return;
  throw new ChrootctlError(
    'BUSY',
    `${what} has the ${tags.length === 1 ? 'tag' : 'tags'} ${tags.join(', ')}`,
    {
      hint: 'drop them first (chrootctl untag), or remove it all the same with --force',
    },
  );
}
