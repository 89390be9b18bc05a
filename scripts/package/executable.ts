/**
 * Node and the start script in one file, which Node calls a single executable application
 * (https://nodejs.org/api/single-executable-applications.html). It starts faster than a script: no module is searched
 * for, and any number of options for Node fit in, where the first line of a script has room for one.
 *
 * Compiled code is in files beside it; a start-up snapshot in it made it slower (docs/benchmarks.md).
 */
import {execFileSync} from 'node:child_process';
import {copyFileSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {basename, join, resolve} from 'node:path';
import {ownArchitecture} from './architecture.ts';
import {CHECKOUT} from './checkout.ts';
import {nodeFor} from './node.ts';

/** Marks the place in Node that says whether there is a program in it. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** Some others make Node refuse all code that was compiled without them, its own too. */
export const OPTIONS = [
  // Room for all that a run allocates (MiB), so that no garbage is collected on the way.
  '--min-semi-space-size=2',
  // Threads are made at every start, and a run has next to no work for them.
  '--v8-pool-size=1',
];

/** Puts `script` into the Node in `file`, which may be of another architecture but not of another version than ours. */
export async function makeExecutable(file: string, script: string): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'chrootctl-executable-'));
  try {
    copyFileSync(script, join(place, basename(script)));
    const settings = {
      // The name goes with it, so not a path.
      main: basename(script),
      output: 'blob',
      disableExperimentalSEAWarning: true,
      execArgv: OPTIONS,
      // Options in NODE_OPTIONS are meant for other programs.
      execArgvExtension: 'none',
    };
    writeFileSync(join(place, 'settings.json'), JSON.stringify(settings));
    const node = join(await nodeFor(ownArchitecture()), 'bin/node');
    call(place, node, '--experimental-sea-config', 'settings.json');
    const postject = join(CHECKOUT, 'node_modules/postject/dist/cli.js');
    call(place, node, postject, resolve(file), 'NODE_SEA_BLOB', settings.output, '--sentinel-fuse', FUSE);
  } finally {
    rmSync(place, {recursive: true, force: true});
  }
}

/** What they say, of no interest unless they fail, is then in the error. */
function call(cwd: string, file: string, ...words: string[]): void {
  execFileSync(file, words, {cwd, stdio: 'pipe'});
}
