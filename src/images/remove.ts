/**
 * Removing versions. A version is hidden first and then its users are looked for: a session that began meanwhile
 * either is seen here, and the version put back, or finds the version gone and resolves its reference anew.
 */
import {afterwards, ChrootctlError} from '../errors.ts';
import {currentUser} from '../session/publish.ts';
import {telling, type Tell} from '../store/commit-point.ts';
import type {ImageChange} from '../store/image.ts';
import type {SessionRecord, VersionRecord} from '../store/records.ts';
import {readReference, resolveReference, tagsOf} from '../store/resolve.ts';
import {withReserve} from '../store/reserve.ts';
import type {Store} from '../store/store.ts';
import {Unconfirmed} from '../system/files.ts';
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
  return telling((tell) => remove(store, text, {force, tell}));
}

async function remove(
  store: Store,
  text: string,
  {force, tell}: {force: boolean; tell: Tell},
): Promise<Removed[]> {
  const [damaged] = store.sessions.damaged();
  if (damaged !== undefined) {
    throw new ChrootctlError('BUSY', `${damaged.path} cannot be read, and may use ${text}`, {
      hint: 'chrootctl doctor --fix mends it if it can',
    });
  }
  const reference = readReference(store, text);
  const image = store.image(reference.image);
  if (reference.selector.kind !== 'latest' || !image.exists()) {
    resolveReference(store, reference);
    return image.change(async (change) => {
      const {id} = resolveReference(store, reference); // Another removal may have come first.
      refuseTagged(tagsOf(image.refs().tags, id), force, `${image.name}@${id}`);
      await removeVersions(store, change, [id], tell);
      return [{image: image.name, version: id}];
    });
  }
  return image.change(async (change) => {
    if (!image.exists()) resolveReference(store, reference); // The same.
    refuseTagged(Object.keys(image.refs().tags), force, `image ${image.name}`);
    const ids = [...image.removingIds(), ...image.versionIds().reverse()];
    const takeBack = change.beginDrop();
    try {
      await removeVersions(store, change, ids, tell);
    } catch (error) {
      takeBack();
      throw error;
    }
    await withReserve(store.layout, () => change.dropImage());
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
  tell?: Tell,
): Promise<void> {
  const hiddenBefore = new Set(change.image.removingIds());
  const fate = {isGone: false};
  try {
    const versions = await hidden(store, change, ids);
    const pins = store.sessions.pins(versions);
    const used = ids.find((id) => pins.has(id));
    if (used !== undefined) {
      change.putBack(ids.filter((id) => id === used && hiddenBefore.has(id)));
      throw inUse(`${change.image.name}@${used}`, pins.get(used));
    }
    await removeHidden(store, change, versions, (done) => {
      fate.isGone = true;
      tell?.(done);
    });
  } catch (error) {
    if (fate.isGone) throw error;
    // Else gc would bring to its end what was told not to have happened.
    throw await afterwards(error, () => {
      const hiddenNow = new Set(change.image.removingIds());
      change.putBack(ids.filter((id) => hiddenNow.has(id) && !hiddenBefore.has(id)));
    });
  }
  await dropped(store, change, ids);
}

/** The same, but those that a session uses stay as they are. Gives the ids of the others. */
export async function removeUnused(
  store: Store,
  change: ImageChange,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const hiddenBefore = change.image.removingIds();
  const versions = await hidden(store, change, ids);
  let pins: Map<string, SessionRecord>;
  try {
    pins = store.sessions.pins(versions);
  } catch (error) {
    throw await afterwards(error, () => {
      const hiddenNow = change.image.removingIds();
      change.putBack(ids.filter((id) => hiddenNow.includes(id) && !hiddenBefore.includes(id)));
    });
  }
  change.putBack(ids.filter((id) => pins.has(id)));
  const unused = ids.filter((id) => !pins.has(id));
  await removeHidden(
    store,
    change,
    versions.filter(({id}) => !pins.has(id)),
  );
  await dropped(store, change, unused);
  return unused;
}

/** Each step has the reserve for itself: it goes on where it was left, and what was done before is not done again. */
function hidden(store: Store, change: ImageChange, ids: readonly string[]): Promise<VersionRecord[]> {
  return withReserve(store.layout, () => change.hideVersions(ids));
}

function dropped(store: Store, change: ImageChange, ids: readonly string[]): Promise<void> {
  return withReserve(store.layout, () => {
    change.dropVersions(ids);
  });
}

async function removeHidden(
  store: Store,
  change: ImageChange,
  versions: readonly VersionRecord[],
  tell?: Tell,
): Promise<void> {
  const ids = new Set(versions.map(({id}) => id));
  const gone = Object.entries(change.image.refs().tags).flatMap(([tag, id]) => (ids.has(id) ? tag : []));
  const told = (): void => {
    const names = versions.map(({id}) => `${change.image.name}@${id}`);
    tell?.({
      words: `${few(names)} ${names.length === 1 ? 'is' : 'are'} removed`,
      rest: 'chrootctl gc collects what is left',
      facts: {removed: versions.map(({id}) => ({image: change.image.name, version: id}))},
    });
  };
  await withReserve(store.layout, async () => {
    try {
      await change.moveTags(Object.fromEntries(gone.map((tag) => [tag, null])), {
        action: 'remove',
        by: currentUser(),
        message: '',
      });
    } catch (error) {
      if (error instanceof Unconfirmed) told();
      throw error;
    }
    told();
  });
  const volumes = versions.map(({volume}) => volume);
  if (volumes.length > 0) await withReserve(store.layout, () => store.driver.remove(volumes));
}

/**
 * Brings removals that were interrupted to their end: removes the versions, or puts back those that a session uses. One that
 * was not interrupted, but was at work when it was seen, has ended by the time that we hold the image's lock.
 */
export async function finishRemovals(
  store: Store,
  change: ImageChange,
  ids: readonly string[],
): Promise<void> {
  const hidden = new Set(change.image.removingIds());
  await removeUnused(
    store,
    change,
    ids.filter((id) => hidden.has(id)),
  );
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
  throw new ChrootctlError('BUSY', `${what} has the ${tags.length === 1 ? 'tag' : 'tags'} ${few(tags)}`, {
    hint: 'drop them first (chrootctl untag), or remove it all the same with --force',
  });
}

const MOST_NAMES = 10;

/** As many as fit into a line. */
function few(names: readonly string[]): string {
  const more = names.length - MOST_NAMES;
  return names.slice(0, MOST_NAMES).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
