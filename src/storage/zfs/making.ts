/** Making datasets, of nothing or as clones. */
import {ChrootctlError} from '../../errors.ts';
import {isMissing, isTaken, refusal, tryZfs} from './command.ts';

/** The options of zfs-create(8) and zfs-clone(8) for a dataset of ours. Nothing but chrootctl mounts it. */
export function optionsOf(properties: readonly (readonly [name: string, value: string])[]): string[] {
  return [['canmount', 'noauto'], ...properties].flatMap(([name = '', value = '']) => [
    '-o',
    `${name}=${value}`,
  ]);
}

/**
 * Makes the dataset of a volume. False when something that it needs is not there.
 * @param args of zfs(8)
 * @throws ChrootctlError CONFLICT when it is there already
 */
export async function makeDataset(args: readonly string[], id: string): Promise<boolean> {
  const {ok, stderr} = await tryZfs(args);
  if (ok) return true;
  if (isTaken(stderr)) throw new ChrootctlError('CONFLICT', `volume ${id} exists already`);
  // A snapshot that goes between zfs-clone's look and its deed makes it say that the parent is missing (zfs_clone()).
  if (args[0] === 'clone' && (isMissing(stderr) || /no such parent/.test(stderr))) return false;
  throw refusal(`zfs ${args[0] ?? ''}`, stderr);
}
