/** The program that is measured, and what others need to have the same. */
import {mkdirSync} from 'node:fs';
import {call} from './processes.ts';
import type {Command} from './section.ts';

let program = '';

/** From now on `file` is what is measured. */
export function useProgram(file: string): void {
  program = file;
}

/** The real chrootctl on the store at `root`. */
export function chrootctlOn(root: string, ...args: readonly string[]): Command {
  return {words: [program, ...args], env: {CHROOTCTL_ROOT: root, CHROOTCTL_DRIVER: 'overlay'}};
}

/** What an import has to do, by tar(1) alone; makes the directory that it needs. */
export function unpacking(tar: string, directory: string): Command {
  mkdirSync(directory, {recursive: true});
  const options = ['--numeric-owner', '--xattrs', '--xattrs-include=*'];
  return {words: ['tar', '-C', directory, ...options, '-xpf', tar]};
}

export function unpack(tar: string, directory: string): string {
  call(unpacking(tar, directory));
  return directory;
}

/** The same, until all that was written to the file system of `directory` is on the disk. */
export function synced({words, env = {}}: Command, directory: string): Command {
  return {words: ['sh', '-c', '"$@" && sync --file-system "$0"', directory, ...words], env};
}
