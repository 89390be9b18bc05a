/** The deaths of every command on one driver, as tests. */
import {describe, expect, test} from '@jest/globals';
import {Choice} from './choice.ts';
import {COMMANDS} from './commands.ts';
import {laboratoryFor} from './laboratory.ts';
import {describeStep} from './steps.ts';
import {die, record} from './trial.ts';

/** Of the steps whose like another command has had; `npm run crash-points` takes them all. */
const SHARE = 0.05;

export function crashPoints(driver: string): void {
  const seed = Math.floor(Math.random() * 1e6);
  const choice = new Choice(seed, SHARE);

  describe(`kill -9 at a step that changes the disk, on ${driver} (seed ${seed})`, () => {
    test.each(Object.keys(COMMANDS))(
      '%s',
      async (name) => {
        const laboratory = laboratoryFor(driver);
        const specimen = await record(laboratory, name);
        const problems: Record<string, string[]> = {};
        for (const step of choice.of(specimen.steps)) {
          const found = await die(laboratory, specimen, step);
          if (found.length > 0) problems[describeStep(step)] = found;
        }
        expect(problems).toEqual({});
      },
      300_000,
    );
  });
}
