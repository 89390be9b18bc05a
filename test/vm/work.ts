/** What a guest finds in its work directory: chrootctl as it is built here, and what a caller adds. */
import {cpSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';

export const CHECKOUT = dirname(dirname(import.meta.dirname));

/** Where the guest has it. */
export const WORK = '/run/work';

/** Makes the directory for the time that `use` takes. */
export async function withWork<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'chrootctl-work-'));
  try {
    for (const part of ['bin', 'dist', 'package.json'])
      cpSync(join(CHECKOUT, part), join(directory, part), {recursive: true});
    return await use(directory);
  } finally {
    rmSync(directory, {recursive: true});
  }
}
