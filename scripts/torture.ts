// Every command in many processes that are killed at random, on a disk that is full at random:
//   npm run torture -- [--minutes N] [--seed S] [--workers W] [--driver NAME]...
//     --minutes  how long they work (default: 2); the last look takes more than a minute besides
//     --seed     what is called, killed and filled when; what comes of it, the machine's timing decides too
//     --workers  how many call at a time, for each driver (default: 4)
//     --driver   overlay, btrfs, directory (default: all three, side by side)
//     --containers    how many share each store with the host (default: 0); they are killed now and then, and begun anew
//     --without-host  all calls come from containers
// Ends with 1 when something was lost, torn, changed or left behind.
import {parseArgs} from 'node:util';
import {cleanUp} from '../test/cli/chrootctl.ts';
import {DRIVERS, torture, type Driver} from '../test/torture/torture.ts';

const {values} = parseArgs({
  options: {
    minutes: {type: 'string', default: '2'},
    seed: {type: 'string', default: `${Math.floor(Math.random() * 1e6)}`},
    workers: {type: 'string', default: '4'},
    driver: {type: 'string', multiple: true, default: [...DRIVERS]},
    containers: {type: 'string', default: '0'},
    'without-host': {type: 'boolean', default: false},
  },
});
const unknown = values.driver.find((name) => !(DRIVERS as readonly string[]).includes(name));
if (unknown !== undefined) throw new Error(`the driver ${unknown} is not tortured`);
const [seed, seconds, workers] = [Number(values.seed), Number(values.minutes) * 60, Number(values.workers)];
const where = {containers: Number(values.containers), withoutHost: values['without-host']};
if (where.withoutHost && where.containers === 0) throw new Error('--without-host needs --containers');
console.error(`seed ${seed}`);
try {
  const results = await Promise.all(
    (values.driver as Driver[]).map(async (driver) => ({
      driver,
      ...(await torture({driver, seed, seconds, workers, ...where})),
    })),
  );
  const columns = results.map(
    ({driver, figures: {byKind, ...figures}}) => [driver, {...figures, ...byKind}] as const,
  );
  const rows = [...new Set(columns.flatMap(([, figures]) => Object.keys(figures)))];
  const valueIn = (figures: object, row: string): unknown => (figures as Record<string, unknown>)[row] ?? 0;
  console.table(
    Object.fromEntries(
      rows.map((row) => [
        row,
        Object.fromEntries(columns.map(([driver, all]) => [driver, valueIn(all, row)])),
      ]),
    ),
  );
  const problems = results.flatMap((result) => result.problems);
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  cleanUp();
}
