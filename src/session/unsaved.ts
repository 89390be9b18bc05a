/** What a session holds that is in no version: what is lost with it when it is thrown away. */
import {ChrootctlError} from '../errors.ts';
import type {Change, Enough} from '../storage/driver.ts';
import type {SessionRecord} from '../store/records.ts';
import {resolveReference} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';
import {isInterrupted} from './interrupted.ts';
import {withoutPlaces} from './places.ts';
import {publishedOf} from './publish.ts';

export interface Unsaved {
  /** Paths. */
  added: number;
  changed: number;
  deleted: number;
  /** Whether these are all. Of many there may be more, and of a root that takes long to look through too. */
  isAll: boolean;
  /** One of the paths; null where none was found. */
  example: string | null;
}

/** More are not counted. */
const MANY = 100;
/** Nobody waits longer for it: it is a remark. */
const PATIENCE_MS = 500;

/**
 * Looks at a kept session, which may be in use meanwhile. Undefined for what nobody has asked to keep, a run that goes on.
 * @throws ChrootctlError NOT_FOUND, USAGE; or whatever keeps it from being told
 */
export async function unsavedIn(store: Store, id: string): Promise<Unsaved | undefined> {
  const record = store.sessions.get(id);
  if (record.ephemeral || store.sessions.isUnbegun(record) || isSaved(store, record)) return undefined;
  const deadline = Date.now() + PATIENCE_MS;
  let isAll = true;
  const changes = await changesSince(store, record, (found) => {
    isAll = found <= MANY && Date.now() < deadline;
    return !isAll;
  });
  const count = (wanted: Change['kind']): number => changes.filter(({kind}) => kind === wanted).length;
  return {
    added: count('added'),
    changed: count('changed'),
    deleted: count('deleted'),
    isAll,
    example: changes[0]?.path ?? null,
  };
}

/** Whether a command that has ended left anything in its clone. When that cannot be told, it did: it may be somebody's work. */
export async function hasChanged(store: Store, record: SessionRecord): Promise<boolean> {
  try {
    return (await changesSince(store, record, (found) => found > MANY)).length > 0;
  } catch {
    return true;
  }
}

/** Whether a commit that was interrupted afterwards has made its volume a version already. */
function isSaved(store: Store, record: SessionRecord): boolean {
  return (
    isInterrupted(record) &&
    store.imageNames().some((name) => publishedOf(store, name, [record.volume]).length > 0)
  );
}

/** From what was committed of it last, as long as that is there, or else from its version. */
async function changesSince(store: Store, record: SessionRecord, enough: Enough): Promise<readonly Change[]> {
  const {volume, saved, image, version} = record;
  const between = async (base: string): Promise<readonly Change[]> =>
    withoutPlaces(store, record, await store.driver.changes(base, volume, {enough}));
  if (version === null) return [];
  const origin = resolveReference(store, {image, selector: {kind: 'version', prefix: version}}).volume;
  if (saved === undefined || saved === origin) return between(origin);
  try {
    return await between(saved);
  } catch (error) {
    // It was committed to another image, and there the version has been removed.
    if (error instanceof ChrootctlError && error.code === 'NOT_FOUND') return between(origin);
    throw error;
  }
}
