/** Bringing a kept session to order whose commit died halfway. For the holder of the session's lock. */
import {ChrootctlError} from '../errors.ts';
import {randomId} from '../ids.ts';
import {catchUp, imagesAhead} from '../store/catch-up.ts';
import type {SessionRecord, VersionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {limitOf} from './spec.ts';

/** Whether something that takes a session's root away, or copies it, has not come to its end. */
export function isInterrupted({changing, pending}: SessionRecord): boolean {
  return changing || pending.length > 0;
}

/**
 * Gives the session a volume that can be written to, and takes from it what is not its own: a volume that became a
 * version of whatever image stays with that. Where the volume is gone, it stays so.
 * @throws ChrootctlError FAILED while the records do not tell whose the volumes are
 */
export async function settle(store: Store, record: SessionRecord): Promise<SessionRecord> {
  const own = (await store.driver.list()).find(({id}) => id === record.volume);
  if (own?.state !== 'frozen' && !isInterrupted(record)) return record;
  const versions = await versionsOf(store, [record.volume, ...record.pending]);
  const settled: SessionRecord = {...record, changing: false, pending: []};
  for (const volume of [...record.pending, record.volume]) {
    const version = versions.get(volume);
    if (version?.image === record.image) settled.version = version.id;
    if (version === undefined && volume !== record.volume) await store.driver.remove(volume);
  }
  if (own?.state !== 'frozen') {
    store.sessions.replace(settled);
    return settled;
  }
  const next = await continueInClone(store, settled, settled.version);
  // One that became no version is needed by nobody but the clone, which outlives it.
  if (!versions.has(record.volume)) await store.driver.remove(record.volume);
  return next;
}

/** Gives a session whose volume was frozen a new volume on top of it, based on `version`. */
export async function continueInClone(
  store: Store,
  record: SessionRecord,
  version: string | null,
): Promise<SessionRecord> {
  const volume = randomId();
  store.sessions.replace({...record, pending: [volume]});
  await store.driver.create(volume, {parent: record.volume, ...limitOf(record.options)});
  const next = {...record, volume, pending: [], version};
  store.sessions.replace(next);
  return next;
}

/** The versions that volumes became. One that no tag has named is none: its commit was interrupted before. */
async function versionsOf(store: Store, volumes: readonly string[]): Promise<Map<string, VersionRecord>> {
  // Where the storage has a ledger, that may know of a commit already.
  for (const {image} of await imagesAhead(store)) await catchUp(store, image);
  const found = new Map<string, VersionRecord>();
  for (const name of store.imageNames()) {
    const image = store.image(name);
    const versions = image.allVersions();
    if (versions === undefined) {
      throw new ChrootctlError('FAILED', `not all versions of image ${name} can be read`, {
        hint: 'chrootctl doctor names the record that is damaged',
      });
    }
    for (const version of versions.filter(({volume}) => volumes.includes(volume))) {
      if (image.isPublished(version.id)) found.set(version.volume, version);
      else
        await image.change((change) => {
          change.withdrawVersion(version.id);
          return Promise.resolve();
        });
    }
  }
  return found;
}
