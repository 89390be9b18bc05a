/** Commits and removals that died halfway, brought to an end: the commit point says which. */
import {finishRemovals, removeVersions} from '../images/remove.ts';
import {catchUp, type Ahead} from '../store/catch-up.ts';
import type {ImageChange} from '../store/image.ts';
import {readable, type SessionRecord, type VersionRecord} from '../store/records.ts';
import {volumesOf} from '../store/sessions.ts';
import type {Store} from '../store/store.ts';
import {batch, type Leftover} from './litter.ts';

/** Removals that were interrupted after the version was hidden are brought to their end. */
export function interruptedRemovals(store: Store): Leftover[] {
  return store.imageNames().flatMap((name) =>
    batch(
      store.image(name).removingIds(),
      (id) => ({
        kind: 'interrupted-removal',
        what: `version ${name}@${id}: its removal was interrupted`,
        fix: 'remove the rest',
      }),
      (ids) => changeImage(store, name, (change) => finishRemovals(store, change, ids)),
    ),
  );
}

/** Commits that died between their transaction in the storage and their records: the storage has them, whole. */
export function interruptedCommits(store: Store, ahead: readonly Ahead[]): Leftover[] {
  return ahead
    .filter(({isInterrupted}) => isInterrupted)
    .map(({image}) => ({
      kind: 'unfinished-commit',
      what: `a commit to ${image} died when the storage had it and the records did not`,
      fix: 'bring it to its end',
      collect: async () => {
        await catchUp(store, image);
      },
    }));
}

/** Versions that sessions were making. */
export interface Unpublished {
  /** No tag has named them: they never happened. */
  never: VersionRecord[];
  /** Whether one has cannot be read. */
  unsure: VersionRecord[];
}

/** Those of the versions that one of the sessions was making, and that are not known to have happened. */
export function unpublished(
  store: Store,
  versions: readonly VersionRecord[],
  sessions: readonly SessionRecord[],
): Unpublished {
  const volumes = new Set(sessions.flatMap(volumesOf));
  const suspects = versions.filter(({volume}) => volumes.has(volume));
  const found: Unpublished = {never: [], unsure: []};
  for (const [image, ofImage] of Map.groupBy(suspects, ({image: name}) => name)) {
    const published = readable(() => store.image(image).published());
    if (published === undefined) found.unsure.push(...ofImage);
    else found.never.push(...ofImage.filter(({id}) => !published.has(id)));
  }
  return found;
}

/** Those whose commit is not at work any more: it holds the image's lock, so when we have that it has ended. */
export async function whoseCommitEnded(
  store: Store,
  versions: readonly VersionRecord[],
): Promise<VersionRecord[]> {
  const ended: VersionRecord[][] = [];
  for (const [name, ofImage] of Map.groupBy(versions, ({image}) => image)) {
    const image = store.image(name);
    await image.change(() => {
      const published = readable(() => image.published());
      const isThere = ({id}: VersionRecord): boolean => readable(() => image.version(id)) !== undefined;
      ended.push(ofImage.filter((version) => published?.has(version.id) === false && isThere(version)));
      return Promise.resolve();
    });
  }
  return ended.flat();
}

/** Versions that died with the session that was making them. */
export function unfinishedCommits(store: Store, versions: readonly VersionRecord[]): Leftover[] {
  return [...Map.groupBy(versions, ({image}) => image)].flatMap(([image, ofImage]) =>
    batch(
      ofImage.map(({id}) => id),
      (id) => ({
        kind: 'unfinished-commit',
        what: `version ${image}@${id}: the commit died before a tag named it`,
        fix: 'remove it',
      }),
      (ids) => changeImage(store, image, (change) => removeVersions(store, change, ids)),
    ),
  );
}

/** The same of sessions that are kept: the volume is the session's still. */
export function withdrawnCommits(store: Store, versions: readonly VersionRecord[]): Leftover[] {
  return versions.map(({image, id}) => ({
    kind: 'unfinished-commit',
    what: `version ${image}@${id}: the commit died before a tag named it; its session goes on`,
    fix: 'remove its record',
    collect: () =>
      changeImage(store, image, (change) => {
        change.withdrawVersion(id);
        return Promise.resolve();
      }),
  }));
}

/** Policies whose change died before it counted, or right after one was taken away: who sets one holds the image's lock. */
export async function strayPolicies(store: Store): Promise<Leftover[]> {
  const strays: Leftover[] = [];
  for (const name of store.imageNames()) {
    const image = store.image(name);
    const isStray = (): boolean => readable(() => image.hasStrayPolicy()) === true;
    if (!isStray() || !(await image.change(() => Promise.resolve(isStray())))) continue;
    strays.push({
      kind: 'stray-policy',
      what: `image ${name}: a change of its policy died, and what it was to say does not hold`,
      fix: 'remove it',
      collect: () =>
        image.change((change) => {
          change.dropStrayPolicy();
          return Promise.resolve();
        }),
    });
  }
  return strays;
}

/** What is left of an image when its first commit, or its removal, died halfway: no version, no tag. */
export function emptyImages(store: Store): Leftover[] {
  return store
    .imageNames()
    .map((name) => store.image(name))
    .filter((image) => readable(() => image.isNobodys()) === true)
    .map((image) => ({
      kind: 'empty-image',
      what: `image ${image.name}: it has no versions`,
      fix: 'remove it',
      collect: () => changeImage(store, image.name, () => Promise.resolve()),
    }));
}

/** An image that is empty afterwards goes as well. */
async function changeImage(
  store: Store,
  name: string,
  work: (change: ImageChange) => Promise<void>,
): Promise<void> {
  await store.image(name).change(async (change) => {
    await work(change);
    if (change.image.isNobodys()) await change.dropImage();
  });
}
