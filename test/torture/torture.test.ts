import {expect, test} from '@jest/globals';
import {cleanUp} from '../cli/chrootctl.ts';
import {DRIVERS, torture} from './torture.ts';

// scripts/torture.ts does the same for longer, and with a given seed.
test('whatever is killed, and however full the disk: nothing is lost, torn, changed or left behind', async () => {
  const seed = Math.floor(Math.random() * 1e6);
  try {
    const results = await Promise.all(
      DRIVERS.map((driver) => torture({driver, seed, seconds: 45, workers: 3, containers: 1})),
    );
    // Each of them begins with the seed.
    expect(results.flatMap(({problems}) => problems)).toEqual([]);
    for (const {figures} of results) {
      expect(figures.commits).toBeGreaterThan(0);
      expect(figures.killed).toBeGreaterThan(0);
      expect(figures['in containers']).toBeGreaterThan(0);
    }
  } finally {
    cleanUp();
  }
}, 600_000);
