// Any call of the file system fails, in every command, and what the command tells is compared with what has happened:
//   npm run faults -- [--driver NAME]... [--command NAME]... [--all] [--verbose]
//     --driver   default: overlay and directory
//     --command  as test/faults/commands.ts names it; default: all
//     --all      each error of each call in each command; else each once, in the first command that has the call
//     --verbose  the names of the calls too
// Prints how many faults were borne of how many, and each that was not. Ends with 1 when one was not.
import {parseArgs} from 'node:util';
import {cleanUp} from '../test/cli/chrootctl.ts';
import {laboratoryFor} from '../test/crash-points/laboratory.ts';
import {describeFault, errorsOf} from '../test/faults/calls.ts';
import {COMMANDS, commandsFor} from '../test/faults/commands.ts';
import {Specimen} from '../test/faults/trial.ts';

const {values} = parseArgs({
  options: {
    driver: {type: 'string', multiple: true, default: ['overlay', 'directory']},
    command: {type: 'string', multiple: true, default: Object.keys(COMMANDS)},
    all: {type: 'boolean', default: false},
    verbose: {type: 'boolean', default: false},
  },
});

const lines = await Promise.all(values.driver.map(faultsOn));
console.log(lines.join('\n'));
cleanUp();

async function faultsOn(driver: string): Promise<string> {
  const laboratory = laboratoryFor(driver);
  const seen = new Set<string>();
  let [borne, tried] = [0, 0];
  for (const name of values.command.filter((one) => commandsFor(driver).includes(one))) {
    const specimen = await Specimen.of(laboratory, name);
    const faults = specimen.calls.flatMap((call) => errorsOf(call).map((errno) => ({...call, errno})));
    for (const fault of faults) {
      const described = describeFault(fault, fault.errno);
      if (!values.all && seen.has(described)) continue;
      seen.add(described);
      const wrong = await specimen.try(fault);
      if (wrong === undefined) continue;
      tried++;
      if (wrong.length === 0) borne++;
      else process.exitCode = 1;
      const line = `${driver}: ${name}: ${described}`;
      if (wrong.length > 0 || values.verbose)
        console.error([line, ...wrong.map((text) => `    ${text}`)].join('\n'));
    }
    console.error(`${driver}: ${name}: ${borne} of ${tried} borne so far`);
    specimen.destroy();
  }
  return `${driver}: ${borne} of ${tried} borne`;
}
