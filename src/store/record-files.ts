/** Directories of records, one file for each. */
import {existsSync} from 'node:fs';
import type {GenericSchema} from 'valibot';
import {errnoOf} from '../errors.ts';
import {isTorn, namesIn, notADirectory, readText} from '../system/files.ts';
import {damaged, parseRecord, readable, readRecord} from './records.ts';

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
    if (!existsSync(directory)) return []; // It is what it should be in that is no directory.
    throw notADirectory(directory);
  }
}

/** Ids of the records in a directory. */
export function idsIn(directory: string): string[] {
  return filesIn(directory)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length));
}

/**
 * The record in the file that bears its id, or undefined where there is none.
 * @throws ChrootctlError BAD_INPUT, also for the record of another, which somebody has put in its place
 */
export function readNamed<T extends {id: string}>(
  schema: GenericSchema<unknown, T>,
  path: string,
  id: string,
): T | undefined {
  const record = readRecord(schema, path);
  if (record !== undefined && record.id !== id) throw damaged(path, `it is the record of ${record.id}`);
  return record;
}

/** Those that are not as the schema wants them, or of another id than their name says. */
export function damagedIn(directory: string, schema: GenericSchema<unknown, object>): DamagedFile[] {
  return idsIn(directory).flatMap((id) => {
    const path = `${directory}/${id}.json`;
    // Not even a file: undefined. A file that is gone by now: null.
    const text = readable(() => readText(path) ?? null);
    if (text === null) return [];
    if (text === undefined) return {path, torn: false};
    const record = readable(() => parseRecord(schema, text, path));
    return record === undefined || ('id' in record && record.id !== id) ? {path, torn: isTorn(text)} : [];
  });
}
