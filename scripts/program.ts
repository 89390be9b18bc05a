// Makes the program as the Debian package has it, in release/program/, unless it is there and newer than the build. Prints
// its path.
import {readdirSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {madeOnce} from '../test/made-once.ts';
import {ownArchitecture} from './package/architecture.ts';
import {HELPERS, sourcesOf} from './native.js';
import {CHECKOUT, DIST} from './package/checkout.ts';
import {programOf, stageProgram, VIRT_SERVER} from './package/program.ts';

const place = join(CHECKOUT, 'release/program');
const scripts = join(CHECKOUT, 'scripts');
const native = ['front', ...HELPERS].flatMap((program) => sourcesOf(program));
/** All that it is made of: a build is a directory that was renamed when its files had been written. */
const sources = [
  DIST,
  ...native,
  join(CHECKOUT, 'bin', VIRT_SERVER),
  ...['bundle.js', 'bundles.js', 'lazy-requires.js', 'native.js', 'wall.js'].map((file) =>
    join(scripts, file),
  ),
  ...readdirSync(join(scripts, 'package')).map((file) => join(scripts, 'package', file)),
];

function timeOf(path: string): number {
  return statSync(path, {throwIfNoEntry: false})?.ctimeMs ?? 0;
}

await madeOnce(place, (temporary) => stageProgram(ownArchitecture(), temporary), {
  again: sources.some((source) => timeOf(source) > timeOf(programOf(place))),
});
process.stdout.write(`${programOf(place)}\n`);
