/** A version as the tarball that sbuild's mode unshare unpacks for each build. */
import {packRoot} from '../archive/pack.ts';
import {whilePinned} from '../session/pin.ts';
import {readReference} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';
import {interruption} from '../system/interruption.ts';
import {Cache} from './cache.ts';
import {targetOf, type Target} from './target.ts';

export interface SbuildTarball extends Target {
  path: string;
  image: string;
  version: string;
  /** False: it was there already. */
  written: boolean;
  /** Names of files beside it that sbuild may take instead. */
  rivals: string[];
}

/** What a user cannot make: sbuild shows devices of the host in their places. */
const LEFT_OUT = ['./dev/*'];

/**
 * Writes it where sbuild looks for it, unless it is there and of this version.
 * @throws ChrootctlError NOT_FOUND, USAGE, NOT_PERMITTED, FAILED
 */
export async function exportForSbuild(
  store: Store,
  reference: string,
  {dist}: {dist?: string | undefined} = {},
): Promise<SbuildTarball> {
  return whilePinned(store, readReference(store, reference), 'export', (version) =>
    store.driver.withTree(version.volume, async (directory) => {
      const {image, id} = version;
      const cache = new Cache();
      const target = targetOf(directory, {image, dist});
      const path = cache.pathOf(target);
      const written = !cache.holds(path, version);
      if (written)
        await cache.replace(path, version, (receiver) =>
          packRoot(directory, receiver.stdin, {
            compression: 'zstd',
            leaveOut: LEFT_OUT,
            signal: interruption,
          }),
        );
      else await cache.refresh(path, version);
      return {...target, path, image, version: id, written, rivals: cache.rivalsOf(path, target)};
    }),
  );
}
