/**
 * Removing versions. A version is hidden first and then its users are looked for: a session that began meanwhile
 * either is seen here, and the version put back, or finds the version gone and resolves its reference anew.
 */
import {ChrootctlError} from '../errors.ts';
import {parseReference} from '../reference.ts';
import {currentUser} from '../session/publish.ts';
import type {ImageChange} from '../store/image.ts';
import {resolveReference, tagsOf} from '../store/resolve.ts';
import {withReserve} from '../store/reserve.ts';
import type {Store} from '../store/store.ts';

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
  const reference = parseReference(text);
  const image = store.image(reference.image);
  if (reference.selector.kind !== 'latest' || !image.exists()) {
    const {id} = resolveReference(store, reference);
    return image.change(async (change) => {
      refuseTagged(tagsOf(image.refs().tags, id), force, `${image.name}@${id}`);
      await removeVersion(store, change, id);
      return [{image: image.name, version: id}];
    });
  }
  return image.change(async (change) => {
    refuseTagged(Object.keys(image.refs().tags), force, `image ${image.name}`);
    const ids = [...image.removingIds(), ...image.versionIds().reverse()];
    // All or nothing, as far as can be told beforehand.
    for (const id of ids) refusePinned(store, image.name, id);
    const removed: Removed[] = [];
    for (const id of ids) {
      await removeVersion(store, change, id);
      removed.push({image: image.name, version: id});
    }
    await change.dropImage();
    return removed;
  });
}

/**
 * Removes a version and the tags that point at it, or ends a removal that was interrupted. For the holder of the
 * image's lock.
 * @throws ChrootctlError BUSY when a session uses it; it is then as it was
 */
export async function removeVersion(store: Store, change: ImageChange, id: string): Promise<void> {
  const version = change.hideVersion(id);
  try {
    refusePinned(store, change.image.name, id);
  } catch (error) {
    change.putBack(id);
    throw error;
  }
  const tags = tagsOf(change.image.refs().tags, id);
  await change.moveTags(Object.fromEntries(tags.map((tag) => [tag, null])), {
    action: 'remove',
    by: currentUser(),
    message: '',
  });
  if (version !== undefined) await store.driver.remove(version.volume);
  change.dropVersion(id);
}

/**
 * Brings a removal that was interrupted to its end: removes the version, or puts it back if a session uses it. One that
 * was not interrupted, but was at work when it was seen, has ended by the time that we hold the image's lock.
 */
export async function finishRemoval(store: Store, change: ImageChange, id: string): Promise<void> {
  if (!change.image.removingIds().includes(id)) return;
  if (store.sessions.pinning(id).length > 0) change.putBack(id);
  else await removeVersion(store, change, id);
}

function refusePinned(store: Store, image: string, id: string): void {
  const [user] = store.sessions.pinning(id);
  if (user === undefined) return;
  throw new ChrootctlError('BUSY', `${image}@${id} is in use by session ${user.id}`, {
    hint: user.ephemeral
      ? `wait until it ends (pid ${user.owner.pid})`
      : `end it: chrootctl session end ${user.id}`,
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
