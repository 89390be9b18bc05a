/** The deaths of commands on one driver, as tests. */
import {describe, expect, test} from '@jest/globals';
import {laboratoryFor} from './laboratory.ts';
import {describeStep, type Step} from './steps.ts';
import {die, record} from './trial.ts';
import {HOOKED, type Way} from './ways.ts';

export interface Sample {
  seed: number;
  /** Names of commands. */
  commands: readonly string[];
  /** Which of a command's steps are died at. */
  choose: (steps: readonly Step[]) => readonly Step[];
}

export function newSeed(): number {
  return Math.floor(Math.random() * 1e6);
}

export function crashPoints(driver: string, {seed, commands, choose}: Sample, way: Way = HOOKED): void {
  describe(`kill -9 at a step that changes the disk, on ${driver} (seed ${seed})`, () => {
    test.each(commands)(
      '%s',
      async (name) => {
        const laboratory = laboratoryFor(driver, way);
        const specimen = await record(laboratory, name);
        const problems: Record<string, string[]> = {};
        for (const step of choose(specimen.steps)) {
          const found = await die(laboratory, specimen, step);
          if (found.length > 0) problems[describeStep(step)] = found;
        }
        expect(problems).toEqual({});
      },
      300_000,
    );
  });
}
