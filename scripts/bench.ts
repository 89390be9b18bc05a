// How long things take, and whether sizes that should not matter do not. As root:
//   npm run bench -- [--quick] [--write] [--tar FILE] [SECTION...]
//     --quick   a third of the rounds
//     --write   put the tables into docs/benchmarks.md as well
//     --tar     the Debian root to work with, as a tar (default: one is made of the host's release)
// Ends with 1 when a promise does not hold.
import {readFileSync, writeFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import {interruption, watchForInterruption} from '../src/system/interruption.ts';
import {debianRootTar} from '../test/debian-root.ts';
import {cleanUp} from '../test/temporary.ts';
import {archives} from './bench/archives.ts';
import {depth} from './bench/depth.ts';
import {fileCount} from './bench/file-count.ts';
import {withFreshFileSystem} from './bench/ground.ts';
import {listing} from './bench/listing.ts';
import {describeMachine} from './bench/machine.ts';
import {measure} from './bench/measure.ts';
import {records} from './bench/records.ts';
import {formatReport, holds, type Measured} from './bench/report.ts';
import type {SectionMaker} from './bench/section.ts';
import {start} from './bench/start.ts';

const SECTIONS: Record<string, SectionMaker> = {
  start,
  files: fileCount,
  records,
  depth,
  listing,
  archives,
};
const PAGE = new URL('../docs/benchmarks.md', import.meta.url);
const MARK = '<!-- below: written by npm run bench -- --write -->';

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {quick: {type: 'boolean'}, write: {type: 'boolean'}, tar: {type: 'string'}},
});
// Heard between two commands; what was made is taken away then.
watchForInterruption();
const wanted = positionals.length > 0 ? positionals : Object.keys(SECTIONS);
const rootTar = values.tar ?? (await debianRootTar());
const measured: Measured[] = [];
try {
  for (const name of wanted) {
    const make = SECTIONS[name];
    if (make === undefined) throw new Error(`no section '${name}': ${Object.keys(SECTIONS).join(', ')}`);
    measured.push(await withFreshFileSystem((directory) => measureSection(make, directory)));
  }
} finally {
  cleanUp();
}

const report = formatReport(describeMachine(), measured);
process.stdout.write(report);
if (values.write === true) {
  const page = readFileSync(PAGE, 'utf8');
  const end = page.indexOf(MARK);
  if (end < 0) throw new Error(`docs/benchmarks.md has lost its line ${MARK}`);
  writeFileSync(PAGE, `${page.slice(0, end)}${MARK}\n\n${report}`);
}
const kept = measured.flatMap(({section, samples}) => section.comparisons.map((one) => holds(samples, one)));
if (kept.includes(false)) process.exitCode = 1;

async function measureSection(make: SectionMaker, directory: string): Promise<Measured> {
  process.stderr.write('making ready…');
  const section = await make({directory, rootTar});
  process.stderr.write(`\r${section.title}…\u001b[K\n`);
  const rounds = values.quick === true ? Math.ceil(section.rounds / 3) : section.rounds;
  return {section, rounds, samples: await measure(section.cases, rounds, interruption)};
}
