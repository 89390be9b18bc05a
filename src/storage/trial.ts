/** Directories in which a driver is tried out; they are gone afterwards, unless whoever tries dies meanwhile. */
import {mkdtempSync, readdirSync, realpathSync} from 'node:fs';
import {dirname, join, resolve} from 'node:path';
import {deleteTree} from './trees/delete.ts';
import {DRIVER_NAMES, kindOf} from './registry.ts';
import {isThere} from '../system/files.ts';

const PREFIX = '.chrootctl-trial-';

/** Runs `work` with a directory on the file system that `directory` is or will be on; it is gone afterwards. */
export async function inTrial<T>(directory: string, work: (trial: string) => Promise<T>): Promise<T> {
  let there = resolve(directory);
  while (!isThere(there)) there = dirname(there);
  const trial = mkdtempSync(join(realpathSync(there), PREFIX));
  try {
    return await work(trial);
  } finally {
    await deleteTrial(trial);
  }
}

/** Paths of those in `directory`: of trials that are under way, and of those whose maker died. */
export function trialsIn(directory: string): string[] {
  if (!isThere(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => join(directory, name));
}

/** Deletes what a trial left. One that is gone is no error. */
export async function deleteTrial(trial: string): Promise<void> {
  for (const name of DRIVER_NAMES) await kindOf(name).deleteTrial?.(trial);
  deleteTree(trial);
}
