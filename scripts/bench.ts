// How long things take, and whether sizes that should not matter do not. As root:
//   npm run bench -- [--quick] [--write] [--program FILE] [--tar FILE] [SECTION...]
//     --quick    a third of the rounds, and fewer files where there are many
//     --write    put the tables into docs/benchmarks.md as well
//     --program  the chrootctl to measure, such as bin/chrootctl (default: the program as the Debian package has it)
//     --tar      the Debian root to work with, as a tar (default: one is made of the host's release)
// Other programs to compare with are installed from Debian by the sections that need them, and stay installed.
// Ends with 1 when a promise does not hold.
import {readFileSync, writeFileSync} from 'node:fs';
import {resolve} from 'node:path';
import {setImmediate} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import {Interrupted, interruption, watchForInterruption} from '../src/system/interruption.ts';
import {debianRootTar} from '../test/debian-root.ts';
import {cleanUp, temporaryDirectory} from '../test/temporary.ts';
import {withFreshFileSystem} from './bench/harness/ground.ts';
import {measure, type Measured} from './bench/harness/measure.ts';
import {call} from './bench/harness/processes.ts';
import {synced, useProgram} from './bench/harness/programs.ts';
import {failuresOf, formatReport, holds} from './bench/harness/report.ts';
import type {SectionMaker} from './bench/harness/section.ts';
import {describePackages} from './bench/peers/packages.ts';
import {memory} from './bench/sections/memory.ts';
import {archives, commits, parallel, sessions, start} from './bench/sections/others.ts';
import {depth, files, listing, records} from './bench/sections/sizes.ts';
import {ownArchitecture} from './package/architecture.ts';
import {programOf, stageProgram} from './package/program.ts';

const SECTIONS: Record<string, SectionMaker> = {
  ...{files, records, depth, listing},
  ...{start, parallel, sessions, commits, archives, memory},
};
const PAGE = new URL('../docs/benchmarks.md', import.meta.url);
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
process.on('exit', cleanUp);
const measured: Measured[] = [];
try {
  const unknown = positionals.find((name) => !Object.hasOwn(SECTIONS, name));
  if (unknown !== undefined) throw new Error(`no section '${unknown}': ${Object.keys(SECTIONS).join(', ')}`);
  const rootTar = values.tar ?? (await debianRootTar());
  useProgram(values.program === undefined ? await packagedProgram() : resolve(values.program));
  for (const [name, make] of Object.entries(SECTIONS))
    if (positionals.length === 0 || positionals.includes(name))
      measured.push(await measureSection(make, rootTar));
} catch (error) {
  // What is called hears Ctrl-C too, and fails.
  await setImmediate();
  if (!(interruption.reason instanceof Interrupted)) throw error;
  process.stderr.write(`\n${interruption.reason.message}\n`);
  process.exit(interruption.reason.exitCode);
}

const report = formatReport(values.program ?? 'as packaged', describePackages(), measured);
process.stdout.write(report);
if (values.write) {
  const page = readFileSync(PAGE, 'utf8');
  const end = page.indexOf(MARK);
  if (end < 0) throw new Error(`docs/benchmarks.md has lost its line ${MARK}`);
  writeFileSync(PAGE, `${page.slice(0, end)}${MARK}\n\n${report}`);
}
for (const line of measured.flatMap(failuresOf)) process.stderr.write(`${line}\n`);
const kept = measured.flatMap(({section, samples}) => section.comparisons.map((one) => holds(samples, one)));
if (kept.includes(false)) process.exitCode = 1;

async function packagedProgram(): Promise<string> {
  const tree = temporaryDirectory();
  await stageProgram(ownArchitecture(), tree);
  return programOf(tree);
}

function measureSection(make: SectionMaker, rootTar: string): Promise<Measured> {
  return withFreshFileSystem(async (place) => {
    process.stderr.write('making ready…');
    const section = await make({...place, rootTar, isQuick: values.quick});
    process.stderr.write(`\r${section.title}…\u001b[K\n`);
    const rounds = values.quick ? Math.ceil(section.rounds / 3) : section.rounds;
    return measure(section, rounds, () => void call(synced({words: ['true']}, place.directory)));
  });
}
