/**
 * One call of the program that fails, as on a failing or a full disk, or where no more files may be open: what was not told to
 * be done has not happened, and what has happened is told. Here a few by chance; `npm run faults` tries them all.
 */
import {expect, test} from '@jest/globals';
import {laboratoryFor} from '../crash-points/laboratory.ts';
import {newSeed} from '../crash-points/suite.ts';
import {Random} from '../vm/power-cut/random.ts';
import {describeFault, errorsOf} from './calls.ts';
import {commandsFor} from './commands.ts';
import {Specimen} from './trial.ts';

const COMMANDS = 2;
const FAULTS = 2;

test.each(['overlay', 'directory'].map((driver) => [driver, newSeed()] as const))(
  'whatever call fails on %s, nothing is done that is not told, and nothing told that is not done (seed %d)',
  async (driver, seed) => {
    const random = new Random(seed);
    const any = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
    const laboratory = laboratoryFor(driver);
    const wrong: Record<string, string[]> = {};
    for (let count = 0; count < COMMANDS; count++) {
      const specimen = await Specimen.of(laboratory, any(commandsFor(driver)));
      for (let fault = 0; fault < FAULTS; fault++) {
        const call = any(specimen.calls);
        const errno = any(errorsOf(call));
        const found = (await specimen.try({...call, errno})) ?? [];
        if (found.length > 0) wrong[`${specimen.name}: ${describeFault(call, errno)}`] = found;
      }
      specimen.destroy();
    }
    expect(wrong).toEqual({});
  },
  300_000,
);
