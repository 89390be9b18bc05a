/** For what kind of processor the programs of a root are. */
import {closeSync, lstatSync, openSync, readSync} from 'node:fs';
import {lookUp, type View} from './in-root.ts';

/** Of elf(5): the magic number, and after it the class. */
const MAGIC = '\x7fELF';
const ELFCLASS32 = 1;

/** Whether the root's shell is a 32-bit program; of a root without one, no. */
export function is32Bit(views: readonly View[]): boolean {
  const {source} = lookUp(views, '/bin/sh');
  if (source === undefined || !lstatSync(source).isFile()) return false;
  const file = openSync(source, 'r');
  try {
    const beginning = Buffer.alloc(MAGIC.length + 1);
    readSync(file, beginning, 0, beginning.length, 0);
    return beginning.toString('latin1', 0, MAGIC.length) === MAGIC && beginning[MAGIC.length] === ELFCLASS32;
  } finally {
    closeSync(file);
  }
}
