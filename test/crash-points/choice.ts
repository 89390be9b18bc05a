/** Which deaths are died, where there is no time for all. */
import {Random} from '../vm/power-cut/random.ts';
import type {Step} from './steps.ts';
import {commandsFor} from './commands.ts';
import {newSeed, type Sample} from './suite.ts';

/** Of the steps whose like another command has had; `npm run crash-points` takes them all. */
const SHARE = 0.05;

/** All commands; every name of a step once, in the first command that has it, and of the others a share by chance. */
export function everyName(driver: string, seed = newSeed()): Sample {
  const seen = new Set<string>();
  const random = new Random(seed);
  const choose = (steps: readonly Step[]): Step[] =>
    steps.filter(({name}) => {
      const isNew = !seen.has(name);
      seen.add(name);
      return isNew || random.happens(SHARE);
    });
  return {seed, commands: commandsFor(driver), choose};
}

/** So many commands by chance, and in each so many of the steps whose names match, or of all where none does. */
export function few(
  driver: string,
  commands: number,
  steps: number,
  names: RegExp,
  seed = newSeed(),
): Sample {
  const random = new Random(seed);
  const some = <T>(count: number, all: readonly T[]): T[] => {
    const rest = [...all];
    return Array.from({length: Math.min(count, rest.length)}, () =>
      rest.splice(random.below(rest.length), 1),
    ).flat();
  };
  return {
    seed,
    commands: some(commands, commandsFor(driver)),
    choose: (all) => {
      const matching = all.filter(({name}) => names.test(name));
      return some(steps, matching.length > 0 ? matching : all);
    },
  };
}
