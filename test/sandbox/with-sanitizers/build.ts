/** The programs in C, compiled so that it ends with a report where it reads or writes what is not its own, or counts wrong. */
import {afterEach} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {accessSync, mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {FLAGS, sourcesOf, wallFlags} from '../../../scripts/native.js';
import {keepForAllTests, temporaryDirectory} from '../../temporary.ts';

/** Gives the directory of an installation. */
export function buildWithSanitizers(): string {
  const directory = temporaryDirectory();
  keepForAllTests();
  mkdirSync(join(directory, 'native'));
  const target = join(directory, 'native', `supervisor-${process.arch}`);
  compileWithSanitizers('supervisor', target);
  // Without it perl would be tried in its place.
  afterEach(() => accessSync(target));
  return directory;
}

/** Such a program is none for the inside of a root, which lacks the libraries that watch over it. */
export function compileWithSanitizers(program: string, target: string): void {
  const flags = [
    ...FLAGS,
    ...wallFlags(),
    '-O1',
    '-g',
    '-fsanitize=address,undefined',
    '-fno-sanitize-recover=all',
  ];
  execFileSync('gcc', [...flags, '-o', target, ...sourcesOf(program)]);
}
