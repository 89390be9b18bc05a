/** A version's root file system as a tar. */
import type {Output} from '../archive/output.ts';
import {packRoot, type PackOptions} from '../archive/pack.ts';
import {pin} from '../session/pin.ts';
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
  const {record, version} = await pin(store, readReference(store, reference), {
    kind: 'run',
    ephemeral: true,
    command: ['export'],
    labels: {},
    options: {},
  });
  try {
    await store.driver.withTree(version.volume, (directory) => packRoot(directory, out, options));
  } finally {
    store.sessions.drop(record.id);
  }
}
