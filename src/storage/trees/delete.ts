/** Deleting trees of ours, and nothing else. */
import {readFileSync, rmdirSync, unlinkSync} from 'node:fs';
import {ChrootctlError, errnoOf} from '../../errors.ts';
import {parseMountinfo} from '../../system/mounts.ts';
import {asBytes, bytePath, entriesOf, joinBytes, type BytePath} from './bytes.ts';

/**
 * Refuses when something is mounted below `directory` in our mount namespace: to delete the tree would be to delete
 * what is mounted there. It does happen: mounts made inside a bind mount of a volume come back to the volume where
 * propagation is shared (mount_namespaces(7)).
 * @throws ChrootctlError BUSY
 */
export function assertNothingMountedBelow(directory: string, id: string): void {
  const text = readFileSync('/proc/self/mountinfo', 'utf8');
  if (!text.includes(`/${id}/`)) return;
  const mount = parseMountinfo(text).find(({mountPoint}) => mountPoint.startsWith(`${directory}/`));
  if (mount === undefined) return;
  throw new ChrootctlError('BUSY', `something is mounted inside volume ${id}: ${mount.mountPoint}`, {
    hint: `umount ${mount.mountPoint}, then try again`,
  });
}

/** How many entries may still be deleted. */
export interface Budget {
  left: number;
}

/**
 * Deletes a tree; what is gone already, or goes meanwhile, is no error. Symbolic links are not followed. Gives whether
 * all of it is gone, or the budget was used up before.
 */
export function deleteTree(path: string, budget: Budget = {left: Infinity}): boolean {
  return deleteDirectory(bytePath(path), budget);
}

function deleteDirectory(path: BytePath, budget: Budget): boolean {
  for (const entry of tolerant(() => entriesOf(path)) ?? []) {
    if (budget.left-- <= 0) return false;
    const child = joinBytes(path, entry.name);
    if (!entry.isDirectory()) tolerant(() => unlinkSync(asBytes(child)));
    else if (!deleteDirectory(child, budget)) return false;
  }
  tolerant(() => rmdirSync(asBytes(path)));
  return true;
}

function tolerant<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return undefined;
  }
}
