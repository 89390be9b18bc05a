// How long things take, and whether sizes that should not matter do not. As root:
//   npm run bench -- [--quick] [--write] [--program FILE] [--tar FILE] [SECTION...]
//     --quick    a third of the rounds, and fewer files where there are many
//     --write    put the tables into docs/benchmarks.md and the plot into docs/benchmarks.svg as well
//     --program  the chrootctl to measure, such as bin/chrootctl (default: the program as the Debian package has it)
//     --tar      the Debian root to work with, as a tar (default: one is made of the host's release)
// Other programs to compare with are installed from Debian by the sections that need them, and stay installed.
// Ends with 1 when a promise does not hold.
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {parseArgs} from 'node:util';
import {Interrupted, interruption, watchForInterruption} from '../src/system/interruption.ts';
import {debianRootTar} from '../test/debian-root.ts';
import {cleanUp} from '../test/temporary.ts';
import {archives} from './bench/archives.ts';
import {commits} from './bench/commits.ts';
import {depth} from './bench/depth.ts';
import {fileCount} from './bench/file-count.ts';
import {syncAll, withFreshFileSystem} from './bench/ground.ts';
import {growth} from './bench/growth.ts';
import {idle} from './bench/idle.ts';
import {limits} from './bench/limits.ts';
import {listing} from './bench/listing.ts';
import {describeMachine} from './bench/machine.ts';
import {measure} from './bench/measure.ts';
import {parallel} from './bench/parallel.ts';
import {peers} from './bench/peers.ts';
import {chartOf, drawCharts} from './bench/plot.ts';
import {useProgram} from './bench/programs.ts';
import {records} from './bench/records.ts';
import {failuresOf, formatReport, holds, type Measured} from './bench/report.ts';
import type {SectionMaker} from './bench/section.ts';
import {sessions} from './bench/sessions.ts';
import {start} from './bench/start.ts';
import {ownArchitecture} from './package/architecture.ts';
import {programOf, stageProgram} from './package/program.ts';

const SECTIONS: Record<string, SectionMaker> = {
  start,
  files: fileCount,
  records,
  depth,
  listing,
  peers,
  parallel,
  sessions,
  idle,
  commits,
  archives,
  limits,
  growth,
};
const PAGE = new URL('../docs/benchmarks.md', import.meta.url);
const PICTURE = new URL('../docs/benchmarks.svg', import.meta.url);
const MARK = '<!-- below: written by npm run bench -- --write -->';

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    quick: {type: 'boolean', default: false},
    write: {type: 'boolean', default: false},
    program: {type: 'string'},
    tar: {type: 'string'},
  },
});
// Heard between two commands; what was made is taken away then.
watchForInterruption();
const wanted = positionals.length > 0 ? positionals : Object.keys(SECTIONS);
const rootTar = values.tar ?? (await debianRootTar());
const measured: Measured[] = [];
let report = '';
const packaged = mkdtempSync(join(tmpdir(), 'chrootctl-bench-program-'));
try {
  if (values.program === undefined) {
    await stageProgram(ownArchitecture(), packaged);
    useProgram([programOf(packaged)], 'as packaged');
  } else useProgram([resolve(values.program)], values.program);
  for (const name of wanted) {
    const make = SECTIONS[name];
    if (make === undefined) throw new Error(`no section '${name}': ${Object.keys(SECTIONS).join(', ')}`);
    measured.push(await measureSection(make));
  }
  report = formatReport(describeMachine(), measured);
} catch (error) {
  if (!(error instanceof Interrupted)) throw error;
  process.stderr.write(`\n${error.message}\n`);
  cleanUp();
  process.exit(error.exitCode);
} finally {
  cleanUp();
  rmSync(packaged, {recursive: true, force: true});
}

process.stdout.write(report);
if (values.write) {
  const page = readFileSync(PAGE, 'utf8');
  const end = page.indexOf(MARK);
  if (end < 0) throw new Error(`docs/benchmarks.md has lost its line ${MARK}`);
  writeFileSync(PAGE, `${page.slice(0, end)}${MARK}\n\n${report}`);
  const charts = measured.flatMap(({section, samples}) => chartOf(section, samples) ?? []);
  if (charts.length > 0) writeFileSync(PICTURE, drawCharts(charts));
}
for (const line of measured.flatMap(failuresOf)) process.stderr.write(`${line}\n`);
const kept = measured.flatMap(({section, samples}) => section.comparisons.map((one) => holds(samples, one)));
if (kept.includes(false)) process.exitCode = 1;

function measureSection(make: SectionMaker): Promise<Measured> {
  return withFreshFileSystem(async (place) => {
    process.stderr.write('making ready…');
    const section = await make({...place, rootTar, isQuick: values.quick});
    process.stderr.write(`\r${section.title}…\u001b[K\n`);
    const rounds = values.quick ? Math.ceil(section.rounds / 3) : section.rounds;
    const settle = section.isSettled === true ? (): void => syncAll(place.directory) : undefined;
    return {section, rounds, ...(await measure(section.cases, rounds, interruption, settle))};
  });
}
