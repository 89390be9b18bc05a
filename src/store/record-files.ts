/** Directories of records, one file for each. */
import type {GenericSchema} from 'valibot';
import {errnoOf} from '../errors.ts';
import {isThere, isTorn, namesIn, notADirectory, readText} from '../system/files.ts';
import {damaged, isDamage, isWithheld, parseRecord, readRecord} from './records.ts';

/** A record that cannot be read. */
export interface DamagedFile {
  path: string;
  /** By a power cut, since it was not waited for the disk; else it is whole and wrong, so that somebody has edited it. */
  torn: boolean;
  /** The disk does not give it back now, and may yet: it says what it said. */
  withheld: boolean;
}

/** What one look at a directory of records finds. */
export interface Found<T> {
  records: (T & {id: string})[];
  damaged: DamagedFile[];
}

/** Names in a directory of records; none when it is not there. @throws ChrootctlError BAD_INPUT when it is none */
export function filesIn(directory: string): string[] {
  try {
    return namesIn(directory);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTDIR') throw error;
    if (!isThere(directory)) return []; // It is what it should be in that is no directory.
    throw notADirectory(directory);
  }
}

/** Ids of the records in a directory. */
function idsIn(directory: string): string[] {
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
  return record && ofId(id, record, path);
}

function ofId<T extends {id: string}>(id: string, record: T, path: string): T {
  if (record.id === id) return record;
  throw damaged(path, `it is the record of ${record.id}`);
}

/**
 * The records in a directory, by a single look at each: who looks twice, for those that can be read and for those that cannot,
 * may find one among neither. One that disappears meanwhile is left out.
 */
export function recordsIn<T extends object>(directory: string, schema: GenericSchema<unknown, T>): Found<T> {
  const found: Found<T> = {records: [], damaged: []};
  for (const id of idsIn(directory)) {
    const path = `${directory}/${id}.json`;
    let text: string | undefined;
    try {
      text = readText(path);
      if (text !== undefined) found.records.push(ofId(id, {id, ...parseRecord(schema, text, path)}, path));
    } catch (error) {
      if (!isDamage(error)) throw error;
      found.damaged.push({path, torn: text !== undefined && isTorn(text), withheld: isWithheld(error)});
    }
  }
  return found;
}
