/** The programs that are timed. */
import {execFileSync} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {dirname, join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Command} from './measure.ts';
import {call} from './processes.ts';

const CHECKOUT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

let program = join(CHECKOUT, 'bin', 'chrootctl');

/** Measures the chrootctl at `path`, say that of a package, instead of the checkout's. */
export function useProgram(path: string): void {
  program = resolve(path);
}

/** What is measured: the version, and where it comes from. */
export function describeProgram(): string {
  const version = execFileSync(program, ['--version'], {encoding: 'utf8'}).trim();
  return `${version}, ${program.startsWith(`${CHECKOUT}/`) ? 'of a checkout' : program}`;
}

/** The real chrootctl on the store at `root`. */
export function chrootctl(root: string, ...args: readonly string[]): Command {
  return {words: [program, ...args], env: {CHROOTCTL_ROOT: root, CHROOTCTL_DRIVER: 'overlay'}};
}

/** Runs it now, untimed. Gives what it printed. */
export function callChrootctl(root: string, ...args: readonly string[]): string {
  return call(chrootctl(root, ...args));
}

export function unpack(tar: string, directory: string): string {
  mkdirSync(directory, {recursive: true});
  execFileSync('tar', unpackingWords(tar, directory).slice(1));
  return directory;
}

/** What an import has to do, by tar(1) alone. */
export function unpackingWords(tar: string, directory: string): string[] {
  return ['tar', '-C', directory, '--numeric-owner', '--xattrs', '--xattrs-include=*', '-xpf', tar];
}
