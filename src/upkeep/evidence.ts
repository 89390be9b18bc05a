/** Whether what nobody is found to name is nobody's: looked at once more, and by all that may name it. */
import type {VolumeInfo} from '../storage/driver.ts';
import {doubtsAbout, type Roots} from '../store/roots.ts';
import {volumesOf} from '../store/sessions.ts';
import type {Store} from '../store/store.ts';

/** A volume goes before what names it does: who had one a moment ago may have ended since. */
export async function stillThere(store: Store, volumes: readonly VolumeInfo[]): Promise<VolumeInfo[]> {
  if (volumes.length === 0) return [];
  const present = new Set((await store.driver.list()).map(({id}) => id));
  return volumes.filter(({id}) => present.has(id));
}

/** Frozen volumes of dead sessions that may be a version whose record cannot be read. */
export async function inDoubt(store: Store, roots: Roots, volumes: readonly VolumeInfo[]): Promise<string[]> {
  const own = new Set(roots.dead.flatMap(volumesOf));
  const known = new Set(roots.versions.map(({volume}) => volume));
  const frozen = volumes.filter(({id, state}) => state === 'frozen' && own.has(id) && !known.has(id));
  const isSure = roots.unread.length === 0;
  const doubts = await doubtsAbout(store, roots, frozen);
  return [...doubts].filter(([, {lost}]) => !isSure || lost !== undefined).map(([id]) => id);
}
