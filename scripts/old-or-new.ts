// The promise of the main job under load, for as long as you like:
//   npm run old-or-new -- [SECONDS [RUNNERS [UPDATERS [DRIVER]]]]
import {Cli, cleanUp} from '../test/cli/chrootctl.ts';
import {oldOrNew} from '../test/cli/old-or-new.ts';

const [seconds = 60, runners = 16, updaters = 4] = process.argv.slice(2, 5).map(Number);
const cli = new Cli({driver: process.argv[5] ?? 'overlay'});
try {
  const outcome = await oldOrNew(cli, {seconds, runners, updaters, files: 200});
  console.log(JSON.stringify(outcome, null, 2));
  process.exitCode = outcome.problems.length === 0 && outcome.updates > 0 ? 0 : 1;
} finally {
  cleanUp();
}
