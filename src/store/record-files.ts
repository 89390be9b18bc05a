/** Directories of records, one file for each. */
import type {GenericSchema} from 'valibot';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {isTorn, namesIn, readText} from '../system/files.ts';
import {parseRecord, readable} from './records.ts';

/** A record that cannot be read. */
export interface DamagedFile {
  path: string;
  /** By a power cut, since it was not waited for the disk; else it is whole and wrong, so that somebody has edited it. */
  torn: boolean;
}

/** Names in a directory of records; none when it is not there. @throws ChrootctlError BAD_INPUT when it is none */
export function filesIn(directory: string): string[] {
  try {
    return namesIn(directory);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTDIR') throw error;
    throw new ChrootctlError('BAD_INPUT', `${directory} is damaged: it is no directory`, {
      hint: 'chrootctl doctor tells what is affected',
    });
  }
}

/** Ids of the records in a directory. */
export function idsIn(directory: string): string[] {
  return filesIn(directory)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length));
}

/** Those that are not as the schema wants them. */
export function damagedIn(directory: string, schema: GenericSchema<unknown, object>): DamagedFile[] {
  return idsIn(directory).flatMap((id) => {
    const path = `${directory}/${id}.json`;
    // Not even a file: undefined. A file that is gone by now: null.
    const text = readable(() => readText(path) ?? null);
    if (text === null) return [];
    if (text === undefined) return {path, torn: false};
    return readable(() => parseRecord(schema, text, path)) === undefined ? {path, torn: isTorn(text)} : [];
  });
}
