/** Where the program's own files are that are no bundles of it. Who starts the program says it; in sources nobody does. */
import {accessSync, constants} from 'node:fs';
import {join} from 'node:path';
import {errnoOf} from '../errors.ts';

let directory: string | undefined;

export function installedIn(path: string | undefined): void {
  directory = path;
}

/** What people start as chrootctl: the front in a package, or the launcher. Undefined where there is none beside our files. */
export function frontProgram(): string | undefined {
  return ['../chrootctl', '../bin/chrootctl'].map(installedProgram).find((path) => path !== undefined);
}

/** A program among them, if there is one that can be started. */
function installedProgram(name: string): string | undefined {
  if (directory === undefined) return undefined;
  const path = join(directory, name);
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined; // Built where there is no compiler for it, or on a file system without execution.
  }
}

/** What native/supervisor makes, where there was a compiler for it. */
export function supervisorProgram(): string | undefined {
  return installedProgram(`native/supervisor-${process.arch}`);
}

/** The same of native/inside. */
export function insideProgram(): string | undefined {
  return installedProgram(`native/inside-${process.arch}`);
}
