/** Sessions whose change was interrupted: what became of their volumes, and how they go on. */
import {ChrootctlError} from '../errors.ts';
import {randomId} from '../ids.ts';
import {catchUpOn} from '../store/catch-up.ts';
import type {SessionRecord, VersionRecord} from '../store/records.ts';
import {volumesOf} from '../store/sessions.ts';
import type {Store} from '../store/store.ts';
import {limitOf} from './spec.ts';

/** Whether somebody who was changing the session has not come to the end of it. For the holder of the session's lock. */
export function isInterrupted({changing, pending}: SessionRecord): boolean {
  return changing || pending.length > 0;
}

/**
 * The versions that the session's volumes have become, by volume: these are not the session's to throw away. One that no
 * tag has named is none; its commit was interrupted before, and its record goes. For the holder of the session's lock, or
 * anybody once it is dead.
 * @throws ChrootctlError BUSY when a record cannot be read that may be of one of them
 */
export async function versionsMade(store: Store, record: SessionRecord): Promise<Map<string, VersionRecord>> {
  const volumes = volumesOf(record);
  const made = new Map<string, VersionRecord>();
  const known = new Set<string>();
  const unread: {why: string}[] = [];
  // Where the storage has a ledger, that may know of the commit already.
  await catchUpOn(store, volumes);
  // A session can be committed to any image.
  for (const name of new Set([record.image, ...store.imageNames()])) {
    const image = store.image(name);
    const {versions: all, damaged} = image.records();
    unread.push(...damaged);
    const versions = all.filter(({volume}) => volumes.includes(volume));
    if (versions.length === 0) continue;
    await image.change((change) => {
      const published = image.published();
      for (const version of versions) {
        known.add(version.volume);
        if (published.has(version.id)) made.set(version.volume, version);
        else change.withdrawVersion(version.id);
      }
      return Promise.resolve();
    });
  }
  const [damage] = unread;
  if (damage !== undefined) await refuseFrozen(store, record, known, damage.why);
  return made;
}

/** What is frozen, and no record that can be read knows, may be the version of one that cannot. */
async function refuseFrozen(
  store: Store,
  record: SessionRecord,
  known: ReadonlySet<string>,
  why: string,
): Promise<void> {
  const own = new Set(volumesOf(record).filter((id) => !known.has(id)));
  const volumes = await store.driver.list();
  if (volumes.some(({id, state}) => own.has(id) && state === 'frozen')) {
    throw new ChrootctlError('BUSY', `session ${record.id} may have become a version: ${why}`, {
      hint: 'chrootctl doctor --fix mends it if it can',
    });
  }
}

/**
 * A session that can be worked in and committed again, whatever was interrupted: with a volume of its own, which is
 * active, and no other. For the holder of the session's lock.
 */
export async function settle(store: Store, record: SessionRecord): Promise<SessionRecord> {
  const own = (await store.driver.list()).find(({id}) => id === record.volume);
  if (own === undefined) throw await whyGone(store, record);
  if (own.state === 'active' && !isInterrupted(record)) return record;
  // Who was changing it had its lock.
  await store.driver.takeOver?.(...volumesOf(record));
  const made = await versionsMade(store, record);
  for (const volume of record.pending)
    if (volume !== record.volume && !made.has(volume)) await store.driver.remove(volume);
  const copies = record.pending.flatMap((volume) => made.get(volume) ?? []);
  const version = copies.find(({image}) => image === record.image)?.id ?? record.version;
  const settled = {...record, pending: [], version, saved: copies.at(-1)?.volume ?? record.saved};
  if (own.state === 'active') {
    store.sessions.replace(settled);
    return settled;
  }
  const became = made.get(record.volume);
  const next = await continueInClone(
    store,
    {...settled, saved: became?.volume ?? settled.saved},
    became?.image === record.image ? became.id : version,
    became === undefined ? [record.volume] : [],
  );
  if (became !== undefined) return next;
  // One that became no version is needed by nobody but the clone, which outlives it.
  await store.driver.remove(record.volume);
  const alone = {...next, pending: []};
  store.sessions.replace(alone);
  return alone;
}

/**
 * Gives a session whose volume was frozen a new volume on top of it, based on `version`. For the holder of the
 * session's lock, who removes the volumes of `left` then: until that nothing else names them.
 */
export async function continueInClone(
  store: Store,
  record: SessionRecord,
  version: string | null,
  left: readonly string[] = [],
): Promise<SessionRecord> {
  const volume = randomId();
  store.sessions.replace({...record, pending: [volume]});
  await store.driver.create(volume, {parent: record.volume, ...limitOf(record.options)});
  // What a commit left out of the volume is not in the clone either.
  const next = {...record, volume, pending: [...left], version, places: []};
  store.sessions.replace(next);
  return next;
}

/** Its volume is gone, or there and damaged. */
async function whyGone(store: Store, record: SessionRecord): Promise<ChrootctlError> {
  try {
    await store.driver.usage(record.volume);
  } catch (error) {
    if (error instanceof ChrootctlError && error.code !== 'NOT_FOUND') return error;
  }
  return rootIsGone(store, record);
}

function rootIsGone(store: Store, record: SessionRecord): ChrootctlError {
  const {id, volume} = record;
  if (store.sessions.isUnbegun(record)) {
    return new ChrootctlError('NOT_FOUND', `session ${id} was never begun: its process ended before`, {
      hint: `remove what is left of it: chrootctl session rm ${id}`,
    });
  }
  return new ChrootctlError('FAILED', `the root of session ${id} is gone (volume ${volume})`, {
    hint: `nothing is left to save: chrootctl session rm ${id}`,
  });
}
