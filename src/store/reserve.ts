/**
 * Getting out of a full disk. Dropping a tag or a version writes a few records first, for which there may be no room
 * left: then a small file that was put aside for this is given up, and made again when there is room.
 */
import {closeSync, fsyncSync, openSync, rmSync, writeFileSync} from 'node:fs';
import {errnoOf} from '../errors.ts';
import {removeIfExists} from '../system/files.ts';
import type {Layout} from './layout.ts';

/** Enough for the records of a good many removals. */
const BYTES = 1 << 20;

/**
 * Runs what frees space, or is needed on the way to it; on a full disk once more, with the reserve given up. So `work` is a
 * step that goes on where it was left, or has not happened at all when it fails for want of room.
 */
export async function withReserve<T>(layout: Layout, work: () => T | Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    if (!isFull(error) || !removeIfExists(layout.reserve)) throw error;
    result = await work();
  }
  makeReserve(layout);
  return result;
}

/** Puts the reserve aside if it is not there. Having none is no error, whatever the reason: the next removal makes it. */
export function makeReserve(layout: Layout): void {
  let fd: number;
  try {
    fd = openSync(layout.reserve, 'wx', 0o600);
  } catch (error) {
    if (errnoOf(error) !== undefined) return;
    throw error;
  }
  try {
    writeFileSync(fd, Buffer.alloc(BYTES));
    fsyncSync(fd);
  } catch (error) {
    rmSync(layout.reserve, {force: true});
    if (errnoOf(error) === undefined) throw error;
  } finally {
    closeSync(fd);
  }
}

function isFull(error: unknown): boolean {
  return errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT';
}
