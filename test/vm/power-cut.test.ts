/**
 * Power cuts under load, a few for each driver; `npm run power-cut` makes as many as you like. They happen in guests
 * before jest hears of them; here each is a test with what was found.
 */
import {describe, expect, test} from '@jest/globals';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {DRIVERS} from './power-cut/drivers.ts';
import {cutPower} from './power-cut/power-cut.ts';

const CUTS = [0, 1];
/** Of commits. */
const SECONDS = 12;
const seed = Math.floor(Math.random() * 1e6);

const directory = mkdtempSync(join(tmpdir(), 'chrootctl-power-cut-'));
const results = await Promise.all(
  DRIVERS.map(async (driver) => ({
    driver,
    ...(await cutPower({driver, seed, cuts: CUTS, seconds: SECONDS, directory})),
  })),
);
rmSync(directory, {recursive: true});

describe.each(results)('the power is cut of a store on $driver', ({cuts, acknowledged}) => {
  test.each(cuts)(`with seed ${seed}, cut $number, before entry $cut of the log`, ({problems}) => {
    expect(problems).toEqual([]);
  });

  test('while commits are made', () => {
    expect(acknowledged).toBeGreaterThan(3);
  });
});
