/** The whole program and its runtime in one file, with the code compiled ahead (https://bun.com/docs/bundler/executables). */
import {execFileSync} from 'node:child_process';
import {chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {ownArchitecture, strip, type Architecture} from './architecture.ts';
import {bunFor, targetOf} from './bun.ts';
import {CHECKOUT} from './checkout.ts';

/** Makes the executable `file` for `architecture`. */
export async function makeExecutable(architecture: Architecture, file: string): Promise<void> {
  // Names of files in it go with the executable, so they are the same wherever it is made.
  const place = mkdtempSync(join(tmpdir(), 'chrootctl-executable-'));
  try {
    execFileSync(process.execPath, [join(CHECKOUT, 'scripts/bundle.js'), join(place, 'chrootctl.cjs')]);
    const runtime = join(place, 'runtime');
    copyFileSync(await bunFor(architecture), runtime);
    strip(architecture, runtime);
    writeFileSync(runtime, withAdvice(readFileSync(runtime)));
    const words = [
      'build',
      'chrootctl.cjs',
      '--compile',
      '--bytecode',
      '--format=cjs',
      '--outfile=chrootctl',
    ];
    const base = [`--target=${targetOf(architecture)}`, '--compile-executable-path=runtime'];
    // Else it would read .env and bunfig.toml where it is started.
    const closed = ['--no-compile-autoload-dotenv', '--no-compile-autoload-bunfig'];
    // What it says is of no interest unless it fails; then it is in the error.
    execFileSync(await bunFor(ownArchitecture()), [...words, ...base, ...closed], {
      cwd: place,
      stdio: 'pipe',
      env: {PATH: process.env['PATH'], HOME: place},
    });
    copyFileSync(join(place, 'chrootctl'), file);
    chmodSync(file, 0o755);
  } finally {
    rmSync(place, {recursive: true, force: true});
  }
}

/** What the runtime says when it cannot even start, or go on. */
const CRASH =
  "Bun has crashed. This indicates a bug in Bun, not your code.\n\nTo send a redacted crash report to Bun's team,\n" +
  'please file a GitHub issue using the link below:\n\n';
/** Nobody who runs chrootctl knows what Bun is; most often it is one of these. */
const ADVICE =
  'chrootctl cannot run here. It needs /proc (mount -t proc proc /proc)\nand room in memory (ulimit -v unlimited). ' +
  'Where it has both, please\nreport this, and say:';

/** @throws Error for a runtime that has not these words */
function withAdvice(runtime: Buffer): Buffer {
  const result = Buffer.from(runtime);
  const advice = Buffer.from(ADVICE.padEnd(CRASH.length));
  if (!result.includes(CRASH)) throw new Error('this Bun says something else when it crashes');
  for (let at = result.indexOf(CRASH); at >= 0; at = result.indexOf(CRASH, at)) advice.copy(result, at);
  return result;
}
