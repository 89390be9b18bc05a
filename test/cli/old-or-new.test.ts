import {expect, test} from '@jest/globals';
import {Cli} from './chrootctl.ts';
import {DRIVERS, SLOWNESS} from './drivers.ts';
import {oldOrNew} from './old-or-new.ts';

// scripts/old-or-new.ts does the same for longer and with more processes.
test.each(DRIVERS)(
  'on %s every run sees the old state or the new one, and no update is lost',
  async (driver) => {
    const outcome = await oldOrNew(new Cli({driver}), {
      seconds: 10,
      updates: SLOWNESS > 1 ? 3 : 4,
      runners: SLOWNESS > 1 ? 2 : 5,
      updaters: 2,
      files: SLOWNESS > 1 ? 20 : 200,
    });
    expect(outcome.problems).toEqual([]);
    expect(outcome.runs).toBeGreaterThan(SLOWNESS > 1 ? 2 : 4);
    expect(outcome.generations).toBeGreaterThan(1);
  },
  300_000,
);
