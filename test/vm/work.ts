/** What a guest finds at /run/work: chrootctl as it is built here, and what a caller adds. */
import {cpSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';

export const CHECKOUT = dirname(dirname(import.meta.dirname));

/** Makes the directory for the time that `use` takes. */
export async function withWork<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'chrootctl-work-'));
  try {
    for (const part of ['bin', 'dist'])
      cpSync(join(CHECKOUT, part), join(directory, part), {recursive: true});
    return await use(directory);
  } finally {
    rmSync(directory, {recursive: true});
  }
}
