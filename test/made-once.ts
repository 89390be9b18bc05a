/** What is slow to make and the same for all tests, runs and checkouts. */
import {existsSync, mkdirSync, renameSync, rmSync} from 'node:fs';
import {dirname} from 'node:path';
import {withLock} from '../src/system/lock.ts';

/**
 * Makes `path` if it is not there, or `again` in any case; all of it or nothing, by one of those who want it at a time.
 * Gives `path`.
 */
export async function madeOnce(
  path: string,
  make: (temporary: string) => Promise<void>,
  {again = false}: {again?: boolean} = {},
): Promise<string> {
  if (!again && existsSync(path)) return path;
  mkdirSync(dirname(path), {recursive: true});
  await withLock(`${path}.lock`, async () => {
    if (!again && existsSync(path)) return;
    const temporary = `${path}.tmp`;
    rmSync(temporary, {recursive: true, force: true});
    await make(temporary);
    rmSync(path, {recursive: true, force: true});
    renameSync(temporary, path);
  });
  return path;
}
