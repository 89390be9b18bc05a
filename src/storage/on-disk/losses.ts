/**
 * How often data of the volumes was lost on its way to the disk, as far as anybody was told: `.losses` beside the volumes. The
 * kernel tells once; whoever is told may be about another volume than the one whose data it was, so it is remembered for all.
 * A volume remembers what the count was when it was made: one that has been written to while something was lost is not frozen.
 */
import {readFileSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {isoTime} from '../../system/clock.ts';
import {writeDurably} from '../../system/files.ts';
import {withLock} from '../../system/lock.ts';

export interface Losses {
  count: number;
  /** Of the last one. */
  time: string;
  what: string;
}

const NONE: Losses = {count: 0, time: '', what: ''};

/** A damaged file means that nobody knows: as if something had been lost when it was damaged, and nothing since. */
export function lossesIn(volumes: string): Losses {
  const path = fileIn(volumes);
  const stats = statSync(path, {throwIfNoEntry: false});
  if (stats === undefined) return NONE;
  const {count, time, what} = stats.isFile() ? parsed(readFileSync(path, 'utf8')) : {};
  return typeof count === 'number' && typeof time === 'string' && typeof what === 'string'
    ? {count, time, what}
    : {
        count: Math.floor(stats.mtimeMs),
        time: isoTime(Math.floor(stats.mtimeMs)),
        what: `${path} is damaged`,
      };
}

/** Remembers, durably, that something was lost. */
export async function noteLoss(volumes: string, what: string): Promise<void> {
  await withLock(join(volumes, '.losses.lock'), () => {
    const losses: Losses = {count: lossesIn(volumes).count + 1, time: isoTime(), what};
    writeDurably(fileIn(volumes), `${JSON.stringify(losses)}\n`);
    return Promise.resolve();
  });
}

function fileIn(volumes: string): string {
  return join(volumes, '.losses');
}

function parsed(text: string): Partial<Record<keyof Losses, unknown>> {
  try {
    return Object(JSON.parse(text)) as Partial<Record<keyof Losses, unknown>>;
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
