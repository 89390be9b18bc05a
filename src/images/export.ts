/** A version's root file system as a tar. */
import type {Output} from '../archive/output.ts';
import {packRoot, type PackOptions} from '../archive/pack.ts';
import {whilePinned} from '../session/pin.ts';
import {readReference} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';

/**
 * @param out a path, which holds the whole tar or is not there, or what writeOutput() takes besides
 * @throws ChrootctlError NOT_FOUND, NOT_PERMITTED, FAILED (no space)
 */
export async function exportVersion(
  store: Store,
  reference: string,
  out: Output,
  options: PackOptions,
): Promise<void> {
  await whilePinned(store, readReference(store, reference), 'export', ({volume}) =>
    store.driver.withTree(volume, (directory) => packRoot(directory, out, options)),
  );
}
