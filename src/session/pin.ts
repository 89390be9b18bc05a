/**
 * Pinning without a lock: write the record that names the version, then look whether the version is still there. A
 * remover hides the version first and then looks for records. Whichever comes first, one of the two sees the other.
 */
import {setTimeout as sleep} from 'node:timers/promises';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {randomId} from '../ids.ts';
import {formatReference, type Reference} from '../reference.ts';
import {optionsUnder} from '../store/policy.ts';
import type {SessionRecord, VersionRecord} from '../store/records.ts';
import type {ImageChange} from '../store/image.ts';
import {resolveReference, resolveUnderPolicy} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';
import {isoTime} from '../system/clock.ts';
import {self} from '../system/identity.ts';

/** How often a version may vanish under our hands before we call it an error; a removal that is put back is seen as one. */
const ATTEMPTS = 20;
const PAUSE_MS = 25;
/** The attempt by which a removal that goes on is past the moment at which it could be put back. */
const PATIENT = 4;

export type PinFields = Pick<SessionRecord, 'kind' | 'ephemeral' | 'command' | 'labels' | 'options'> & {
  /** Default: a random one. */
  id?: string;
  name?: string;
  shared?: true;
};

export interface Pinned {
  record: SessionRecord;
  version: VersionRecord;
}

/**
 * @throws ChrootctlError NOT_FOUND, BUSY when the session's name is taken, NOT_PERMITTED where the store is read-only
 */
export async function pin(store: Store, reference: Reference, fields: PinFields): Promise<Pinned> {
  try {
    return await pinned(store, reference, fields, resolveUnderPolicy);
  } catch (error) {
    if (errnoOf(error) !== 'EROFS') throw error;
    throw new ChrootctlError('NOT_PERMITTED', `the store ${store.root} is read-only`, {
      hint: 'mount it writable (mount -o remount,rw); reading it works, and so does run --read-only',
      cause: error,
    });
  }
}

/** Whether it was for this that something could not be pinned. */
export function isReadOnlyStore(error: unknown): boolean {
  return error instanceof ChrootctlError && errnoOf(error.cause) === 'EROFS';
}

export interface PinnedToRead {
  version: VersionRecord;
  release: () => void;
}

/** For who only reads. In a store that is read-only nothing goes by this way, so there nothing need be written. */
export async function pinToRead(store: Store, reference: Reference, command: string): Promise<PinnedToRead> {
  const fields: PinFields = {kind: 'run', ephemeral: true, command: [command], labels: {}, options: {}};
  try {
    const {record, version} = await pinned(store, reference, fields, withoutPolicy);
    return {version, release: () => store.sessions.drop(record.id)};
  } catch (error) {
    if (errnoOf(error) !== 'EROFS') throw error;
    return {version: resolveReference(store, reference), release: () => undefined};
  }
}

/** Runs `work` with a version that stays meanwhile. */
export async function whilePinned<T>(
  store: Store,
  reference: Reference,
  command: string,
  work: (version: VersionRecord) => Promise<T>,
): Promise<T> {
  const {version, release} = await pinToRead(store, reference, command);
  try {
    return await work(version);
  } finally {
    release();
  }
}

type Resolve = typeof resolveUnderPolicy;

/** For who only reads the tree: policy is about commands. */
const withoutPolicy: Resolve = (store, reference) => ({
  version: resolveReference(store, reference),
  policy: {},
});

async function pinned(
  store: Store,
  reference: Reference,
  fields: PinFields,
  resolve: Resolve,
): Promise<Pinned> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const resolved = unlessRemoving(store, reference, resolve);
    if (resolved === undefined) {
      if (attempt < PATIENT) await sleep(PAUSE_MS);
      else await store.image(reference.image).change(undoDeadRemoval);
      continue;
    }
    const {version, policy} = resolved;
    const options = optionsUnder(policy, fields.options);
    const record = addRecord(
      store,
      {...fields, options},
      {
        image: version.image,
        version: version.id,
        config: version.config,
      },
    );
    if (store.image(version.image).version(version.id) !== undefined) return {record, version};
    store.sessions.drop(record.id);
    await sleep(PAUSE_MS);
  }
  resolveReference(store, reference); // Says what is wrong, if it is that.
  throw new ChrootctlError('BUSY', `${formatReference(reference)} is being removed`, {
    hint: 'try again in a moment',
  });
}

/** Undefined while a version of the image is out of sight for a removal that may yet be put back. */
function unlessRemoving(
  store: Store,
  reference: Reference,
  resolve: Resolve,
): ReturnType<Resolve> | undefined {
  try {
    return resolve(store, reference);
  } catch (error) {
    const isMissing = error instanceof ChrootctlError && error.code === 'NOT_FOUND';
    if (isMissing && store.image(reference.image).removingIds().length > 0) return undefined;
    throw error;
  }
}

/**
 * What is out of sight and still has a tag was being removed by a process that died before the removal counted: whoever
 * holds the image's lock is the only one at it.
 */
function undoDeadRemoval(change: ImageChange): Promise<void> {
  const {tags} = change.image.refs();
  const tagged = new Set(Object.values(tags));
  change.putBack(change.image.removingIds().filter((id) => tagged.has(id)));
  return Promise.resolve();
}

/** A record for something that has no version yet: an import. */
export function pinNothing(store: Store, image: string, fields: PinFields): SessionRecord {
  return addRecord(store, fields, {image, version: null, config: {env: {}, mounts: []}});
}

function addRecord(
  store: Store,
  {id, name, ...fields}: PinFields,
  origin: Pick<SessionRecord, 'image' | 'version' | 'config'>,
): SessionRecord {
  const volume = randomId();
  const record: SessionRecord = {
    id: id ?? randomId(12),
    name: name ?? null,
    ...fields,
    ...origin,
    volume,
    // One that is kept lives on without its owner, but not before it has begun.
    pending: fields.ephemeral ? [] : [volume],
    owner: self(),
    created: isoTime(),
    changing: false,
    places: [],
  };
  if (!store.sessions.add(record)) {
    throw new ChrootctlError('BUSY', `a session named '${record.id}' exists already`, {
      hint: `end it first: chrootctl session end ${record.id}`,
    });
  }
  return record;
}
