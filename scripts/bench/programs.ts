/** The programs that are timed. */
import {execFileSync} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Command} from './measure.ts';

const BINARY = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin', 'chrootctl');

/** The real chrootctl on the store at `root`. */
export function chrootctl(root: string, ...args: readonly string[]): Command {
  return {words: [BINARY, ...args], env: {CHROOTCTL_ROOT: root, CHROOTCTL_DRIVER: 'overlay'}};
}

/** Runs it now, untimed. Gives what it printed. */
export function callChrootctl(root: string, ...args: readonly string[]): string {
  const {words, env} = chrootctl(root, ...args);
  const [file = '', ...rest] = words;
  const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit'];
  return execFileSync(file, rest, {encoding: 'utf8', stdio, env: {...process.env, ...env}}).trimEnd();
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
