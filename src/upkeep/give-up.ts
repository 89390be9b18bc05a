/**
 * Giving up what cannot be decided: volumes that may be somebody's, and records that cannot be read. Only a person does it,
 * and names each one. A record is put aside, where it can be restored from; what it may have named is not given up with it.
 */
import {resolve} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import type {Store} from '../store/store.ts';
import {removeIfExists, setAside} from '../system/files.ts';
import type {Leftover} from './litter.ts';
import type {Left} from './survey.ts';

/**
 * How to give up each of these.
 * @param what ids of volumes, and paths of records
 * @throws ChrootctlError NOT_FOUND for one that is in no doubt
 */
export function givenUp(store: Store, left: readonly Left[], what: readonly string[]): Leftover[] {
  const undecided = new Set(left.map(({volume}) => volume.id));
  return what.map((one) => {
    if (undecided.has(one)) return ofVolume(store, one);
    const damaged = damagedRecords(store).find(({path}) => path === resolve(store.root, one));
    if (damaged !== undefined) return ofRecord(damaged);
    throw new ChrootctlError(
      'NOT_FOUND',
      `'${one}' is neither a volume that gc leaves nor a record that is damaged`,
      {
        hint: 'chrootctl gc --dry-run and chrootctl doctor name them',
      },
    );
  });
}

function ofVolume({driver}: Store, id: string): Leftover {
  return {
    kind: 'given-up',
    what: `volume ${id}: given up`,
    fix: 'remove it',
    collect: () => driver.remove(id),
  };
}

interface DamagedRecord {
  path: string;
  /** Lets nobody else change what the record is of meanwhile. */
  locked: (work: () => Promise<void>) => Promise<void>;
}

function ofRecord({path, locked}: DamagedRecord): Leftover {
  return {
    kind: 'given-up',
    what: `${path}: given up, and kept beside`,
    fix: 'put it aside',
    collect: () =>
      locked(() => {
        setAside(path);
        removeIfExists(path);
        return Promise.resolve();
      }),
  };
}

function damagedRecords(store: Store): DamagedRecord[] {
  const {sessions, execs, layout} = store;
  return [
    ...sessions.damaged().map(({path}) => ({
      path,
      locked: (work: () => Promise<void>) =>
        sessions.locked(path.slice(layout.sessions.length + 1, -'.json'.length), work),
    })),
    ...execs.damaged().map(({path}) => ({path, locked: (work: () => Promise<void>) => work()})),
    ...store
      .imageNames()
      .map((name) => store.image(name))
      .flatMap((image) =>
        image
          .records()
          .damaged.map(({path}) => ({path, locked: (work: () => Promise<void>) => image.change(work)})),
      ),
  ];
}
