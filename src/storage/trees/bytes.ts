/**
 * File names are bytes, not text. A BytePath carries them one byte a character (latin1), so that they can be joined,
 * compared and used as keys like strings, and nothing is lost when they are not UTF-8.
 */
import {readdirSync, type Dirent} from 'node:fs';
import {endable, Pauses} from '../../system/interruption.ts';
import {LONG, refuseTooDeep, shortened} from './reach.ts';

export type BytePath = string;

export function bytePath(text: string): BytePath {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** For a call of node:fs, at once: of a long path, what leads there may be a descriptor. */
export function asBytes(path: BytePath): Buffer {
  return Buffer.from(path.length < LONG ? path : shortened(path), 'latin1');
}

/** For people: bytes that are not UTF-8 come out as U+FFFD. */
export function asText(path: BytePath): string {
  return Buffer.from(path, 'latin1').toString('utf8');
}

export function joinBytes(directory: BytePath, name: BytePath): BytePath {
  return directory === '' ? name : `${directory}/${name}`;
}

/** The directory that has it; '' for one without a slash. */
export function parentOf(path: BytePath): BytePath {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

/** The last name in it. */
export function nameOf(path: BytePath): BytePath {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Entries of a directory, their names as bytes. */
export function entriesOf(directory: BytePath): Dirent[] {
  return readdirSync(asBytes(directory), {encoding: 'latin1', withFileTypes: true});
}

/** With its end, the longest that a system call takes (path_resolution(7)). */
const PATH_MAX = 4096;

/** A directory and all that are in it, as deep as a path leads, with pauses. */
export async function directoriesIn(directory: BytePath): Promise<BytePath[]> {
  const pauses = new Pauses(endable());
  const found = [directory];
  for (const path of found) {
    for (const entry of entriesOf(path)) {
      const child = joinBytes(path, entry.name);
      if (entry.isDirectory() && child.length < PATH_MAX) found.push(child);
    }
    if (pauses.isDue) await pauses.now();
  }
  return found;
}

/** Directories in one piece. */
const MOST_IN_PIECE = 10_000;
/** Characters in their paths that are as much, in trees that are very deep. */
const MOST_CHARACTERS = 1 << 22;

/** The same however deep, and however many, in pieces and with pauses. @throws ChrootctlError FAILED for what is nested too deeply */
export async function* allDirectoriesIn(directory: BytePath): AsyncGenerator<BytePath[], void> {
  const pauses = new Pauses(endable());
  const ahead = [{path: directory, level: 0}];
  let piece: BytePath[] = [];
  let characters = 0;
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    const {path, level} = next;
    refuseTooDeep(path, level);
    piece.push(path);
    characters += path.length;
    if (piece.length >= MOST_IN_PIECE || characters >= MOST_CHARACTERS) {
      yield piece;
      [piece, characters] = [[], 0];
    }
    for (const entry of entriesOf(path))
      if (entry.isDirectory()) ahead.push({path: joinBytes(path, entry.name), level: level + 1});
    if (pauses.isDue) await pauses.now();
  }
  yield piece;
}
