/** Leftovers that no record names: mounts, files that were being written, trials of drivers. */
import {rmSync} from 'node:fs';
import {join} from 'node:path';
import {errnoOf} from '../errors.ts';
import {isMounted, removeMountPoint} from '../session/root.ts';
import {deleteTrial, trialsIn} from '../storage/trial.ts';
import {GONE} from '../store/layout.ts';
import type {Store} from '../store/store.ts';
import {isAbandoned, isOld, namesIn, removeIfExists} from '../system/files.ts';
import {run} from '../system/programs.ts';

/** Something to collect: what it is, and how. */
export interface Leftover {
  kind: string;
  what: string;
  fix: string;
  collect: () => Promise<unknown>;
  /** Where many are collected at once for little more than one. */
  batch?: {id: string; collect: Batch} | undefined;
}

/** Collects all of these, or throws what keeps one of them; can be called again for the same. */
export type Batch = (ids: readonly string[]) => Promise<unknown>;

/** Leftovers of one kind, each of which can be collected by itself, and all at once. */
export function batch(
  ids: readonly string[],
  describe: (id: string) => Pick<Leftover, 'kind' | 'what' | 'fix'>,
  collect: Batch,
): Leftover[] {
  return ids.map((id) => ({...describe(id), collect: () => collect([id]), batch: {id, collect}}));
}

/** Mounts below the store, and their empty mount points, that no session has. */
export function strayMounts(store: Store, ids: readonly string[]): Leftover[] {
  return ids.map((id) => ({
    kind: 'stray-mount',
    what: `${store.layout.mount(id)}: no session has it`,
    fix: 'unmount it',
    collect: () =>
      store.sessions.locked(id, async () => {
        // One of that name may have begun since.
        if (store.sessions.find(id) !== undefined) return;
        const path = store.layout.mount(id);
        if (isMounted(path)) await run('umount', ['--', path]);
        removeMountPoint(path);
      }),
  }));
}

/** Files that were being written when their writer died. */
export function temporaries(store: Store): Leftover[] {
  const images = store.imageNames().flatMap((name) => {
    const directory = store.layout.image(name);
    return [directory, join(directory, 'versions')];
  });
  return [store.root, store.layout.sessions, store.layout.execs, ...images].flatMap((directory) =>
    entries(directory)
      .filter((name) => name.endsWith('.tmp'))
      .map((name) => join(directory, name))
      .filter(isAbandoned)
      .map((path) => ({
        kind: 'temporary-file',
        what: `${path}: its writer is gone`,
        fix: 'remove it',
        collect: () => Promise.resolve(removeIfExists(path)),
      })),
  );
}

/** Where a driver was being tried out when whoever tried it died. */
export function abandonedTrials(store: Store): Leftover[] {
  return trialsIn(store.layout.volumes)
    .filter(isOld)
    .map((path) => ({
      kind: 'abandoned-trial',
      what: `${path}: a driver was tried out there, by a process that is gone`,
      fix: 'remove it',
      collect: () => deleteTrial(path),
    }));
}

/** Records of runs that a power cut tore. One that is whole, but wrong, is not ours to remove. */
export function tornRecords(torn: readonly {path: string}[]): Leftover[] {
  return torn.map(({path}) => ({
    kind: 'torn-record',
    what: `${path} was torn by a crash`,
    fix: 'remove it',
    collect: () => Promise.resolve(removeIfExists(path)),
  }));
}

/** Images that were being deleted when whoever removed them died. */
export function goneImages(store: Store): Leftover[] {
  return entries(store.layout.images)
    .filter(
      (name) => name.endsWith(GONE) && store.layout.imageName(name.slice(0, -GONE.length)) !== undefined,
    )
    .map((name) => join(store.layout.images, name))
    .filter(isOld)
    .map((path) => ({
      kind: 'interrupted-removal',
      what: `${path}: what is left of an image that was removed`,
      fix: 'remove the rest',
      collect: () => {
        rmSync(path, {recursive: true, force: true});
        return Promise.resolve();
      },
    }));
}

export function entries(directory: string): string[] {
  try {
    return namesIn(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}
