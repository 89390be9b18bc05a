/** The programs that are timed. */
import {execFileSync} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Command} from './case.ts';
import {call} from './processes.ts';

const CHECKOUT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

let program = [join(CHECKOUT, 'bin', 'chrootctl')];
let origin = 'of a checkout';

/** From now on `words` start what is measured, instead of the checkout's launcher; `from` tells readers what it is. */
export function useProgram(words: readonly string[], from: string): void {
  program = [...words];
  origin = from;
}

/** What is measured: the version, and where it comes from. */
export function describeProgram(): string {
  const [file = '', ...words] = program;
  return `${execFileSync(file, [...words, '--version'], {encoding: 'utf8'}).trim()}, ${origin}`;
}

/** The real chrootctl on the store at `root`. */
export function chrootctl(root: string, ...args: readonly string[]): Command {
  return {words: [...program, ...args], env: {CHROOTCTL_ROOT: root, CHROOTCTL_DRIVER: 'overlay'}};
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
