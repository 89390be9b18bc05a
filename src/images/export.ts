/** A version's root file system as a tar. */
import type {Output} from '../archive/output.ts';
import {packRoot, type PackOptions} from '../archive/pack.ts';
import {whilePinned} from '../session/pin.ts';
import {telling, type Tell} from '../store/commit-point.ts';
import type {VersionRecord} from '../store/records.ts';
import {readReference} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';
import {Unconfirmed} from '../system/files.ts';

/**
 * @param out a path, which holds the whole tar or is not there, or what writeOutput() takes besides
 * @throws Incomplete when the whole tar is there, and something failed after that
 * @throws ChrootctlError NOT_FOUND, NOT_PERMITTED, FAILED (no space)
 */
export async function exportVersion(
  store: Store,
  reference: string,
  out: Output,
  options: PackOptions,
): Promise<void> {
  await telling((tell) =>
    whilePinned(store, readReference(store, reference), 'export', (version) =>
      store.driver.withTree(version.volume, (directory) =>
        placing({version, out, tell}, () => packRoot(directory, out, options)),
      ),
    ),
  );
}

/** Runs what writes `out`, and tells of it as soon as all of it is there. */
export async function placing(
  {version, out, tell}: {version: VersionRecord; out: Output; tell: Tell},
  write: () => Promise<void>,
): Promise<void> {
  const {image, id} = version;
  const [where, file] = typeof out === 'string' ? [out, out] : ['the output', null];
  const told = (): void =>
    tell({
      words: `${where} holds all of ${image}@${id}`,
      rest: 'the archive can be used as it is, and chrootctl gc collects what is left',
      facts: {image, version: id, file},
    });
  try {
    await write();
  } catch (error) {
    if (error instanceof Unconfirmed) told();
    throw error;
  }
  told();
}
