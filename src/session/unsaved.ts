/** What a session holds that is in no version: what is lost with it when it is thrown away. */
import {ChrootctlError} from '../errors.ts';
import type {Change, ChangesOptions} from '../storage/driver.ts';
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
  complete: boolean;
  /** One of the paths; null where none was found. */
  example: string | null;
}

/** More paths than a person would do again gladly. */
const MUCH = 100;
/** More are not counted. The mount points that the sandbox has made are among them at first. */
const COUNTED = 2 * MUCH;
/** Nobody waits longer for it: it is a remark. */
const PATIENCE_MS = 3000;

/**
 * Looks at a kept session, which may be in use meanwhile. Undefined for what nobody has asked to keep, a run that goes on.
 * @throws ChrootctlError NOT_FOUND, USAGE; or whatever keeps it from being told
 */
export async function unsavedIn(store: Store, id: string): Promise<Unsaved | undefined> {
  const record = store.sessions.get(id);
  if (record.ephemeral || store.sessions.isUnbegun(record) || isSaved(store, record)) return undefined;
  const deadline = Date.now() + PATIENCE_MS;
  let complete = true;
  const enough = (found: number): boolean => {
    complete = found <= COUNTED && Date.now() < deadline;
    return !complete;
  };
  const changes = await changesSince(store, record, {enough, quick: true});
  const count = (wanted: Change['kind']): number => changes.filter(({kind}) => kind === wanted).length;
  return {
    added: count('added'),
    changed: count('changed'),
    deleted: count('deleted'),
    complete,
    example: changes[0]?.path ?? null,
  };
}

/** Whether it is more than one throws away without a thought, or may be. */
export function isMuch({added, changed, deleted, complete}: Unsaved): boolean {
  return !complete || added + changed + deleted > MUCH;
}

/** Whether a command that has ended left anything in its clone. When that cannot be told, it did: it may be somebody's work. */
export async function hasChanged(store: Store, record: SessionRecord): Promise<boolean> {
  const enough = (found: number): boolean => found > COUNTED;
  try {
    // What is seen at once is as good as what only a thorough look finds.
    for (const quick of [true, false])
      if ((await changesSince(store, record, {enough, quick})).length > 0) return true;
    return false;
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
async function changesSince(
  store: Store,
  record: SessionRecord,
  options: ChangesOptions,
): Promise<readonly Change[]> {
  const {volume, saved, image, version} = record;
  const between = async (base: string): Promise<readonly Change[]> =>
    withoutPlaces(store, record, await Array.fromAsync(store.driver.changes(base, volume, options)));
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
