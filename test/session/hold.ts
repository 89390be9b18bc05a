/** A process that holds what a command runs, until it is killed: `node hold.ts EXEC`, EXEC a record in JSON. */
import {withPaused} from '../../src/session/pause.ts';
import {sandboxesOf} from '../../src/session/running.ts';
import type {Exec} from '../../src/store/execs.ts';

await withPaused(sandboxesOf([JSON.parse(process.argv[2] ?? '') as Exec]), async () => {
  console.log('held');
  await new Promise((resolve) => setTimeout(resolve, 600_000));
});
