// Every command that changes something dies at each of its steps, and what that leaves is mended:
//   npm run crash-points -- [--driver NAME]... [--command NAME]... [--traced] [--verbose]
//     --driver   default: overlay, btrfs and directory
//     --command  as the table names it; default: all
//     --traced   at its system calls, by strace(1); CHROOTCTL_TEST_PROGRAM names the program
//     --verbose  the names of the steps too
// Prints a table: how many deaths were survived of how many. Ends with 1 when one was not.
import {parseArgs} from 'node:util';
import {cleanUp} from '../test/cli/chrootctl.ts';
import {COMMANDS, commandsFor} from '../test/crash-points/commands.ts';
import {laboratoryFor} from '../test/crash-points/laboratory.ts';
import {describeStep} from '../test/crash-points/steps.ts';
import {die, record} from '../test/crash-points/trial.ts';
import {HOOKED, TRACED} from '../test/crash-points/ways.ts';

const {values} = parseArgs({
  options: {
    driver: {type: 'string', multiple: true, default: ['overlay', 'btrfs', 'directory']},
    command: {type: 'string', multiple: true, default: Object.keys(COMMANDS)},
    traced: {type: 'boolean', default: false},
    verbose: {type: 'boolean', default: false},
  },
});

const rows = await Promise.all(
  values.driver.map(async (driver) => [driver, await deathsOn(driver)] as const),
);
console.log(['', ...values.driver].join(' | '));
console.log(['---', ...values.driver.map(() => ':-:')].join(' | '));
for (const name of values.command)
  console.log([name, ...rows.map(([, cells]) => cells.get(name) ?? '')].join(' | '));
cleanUp();

/** For each command, `SURVIVED/DEATHS`. */
async function deathsOn(driver: string): Promise<Map<string, string>> {
  const cells = new Map<string, string>();
  const laboratory = laboratoryFor(driver, values.traced ? TRACED : HOOKED);
  for (const name of values.command.filter((one) => commandsFor(driver).includes(one))) {
    const specimen = await record(laboratory, name);
    let survived = 0;
    for (const step of specimen.steps) {
      const problems = await die(laboratory, specimen, step);
      if (problems.length === 0) survived++;
      else process.exitCode = 1;
      const line = `${driver}: ${name}: ${describeStep(step)}`;
      if (problems.length > 0 || values.verbose)
        console.error([line, ...problems.map((problem) => `    ${problem}`)].join('\n'));
    }
    cells.set(name, `${survived}/${specimen.steps.length}`);
    console.error(`${driver}: ${name}: ${cells.get(name) ?? ''}`);
  }
  return cells;
}
