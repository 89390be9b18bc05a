/**
 * What is shown of an image's versions, in one file, so that thousands are listed without reading as many. Whoever lists them
 * makes it out of the records, and it is never the truth: a line counts for as long as the record is the very file that it
 * was made from. So the index may be old, torn, another image's or gone; who resolves, removes or mends reads the records.
 *
 *     images/<name>/versions.index   [{"index": 1, "image": …, "directory": …},
 *                                    {"id": …, "image": …, …, "file": …},
 *                                    …]
 *
 * A line for each version, oldest first: what its record says, and which file this is in.
 */
import {accessSync, constants, lstatSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {errnoOf} from '../errors.ts';
import {isId} from '../ids.ts';
import {readIfExists, writeAtomically} from '../system/files.ts';
import type {VersionRecord} from './records.ts';

/** A version's record without what only a run in it needs. */
export type ShownVersion = Omit<VersionRecord, 'config' | 'volume'>;

/** What changes with a file or directory: its inode, the time of its last change (milliseconds since 1970), bytes. */
export type FileState = readonly [inode: number, changed: number, bytes: number];

export interface IndexLine extends ShownVersion {
  /** Of the record, before it was read. */
  file: FileState;
}

export interface VersionIndex {
  /** Of versions/ when the lines were all that was in it; else undefined. */
  directory: FileState | undefined;
  lines: IndexLine[];
}

const FORM = 1;

/** Bytes, some hundred times what 10,000 versions need. What is larger is not ours. */
const LARGEST = 1 << 28;

/** Milliseconds: a file system's clock may tick as slowly, and of two changes within a tick the second does not show. */
const TICK = 2_000;

const NONE: VersionIndex = {directory: undefined, lines: []};

/** Undefined for what is not there. */
export function stateAt(path: string): FileState | undefined {
  const stat = statSync(path, {throwIfNoEntry: false});
  return stat && [stat.ino, stat.ctimeMs, stat.size];
}

export function isSame(one: FileState, other: FileState | undefined): boolean {
  return one.every((part, index) => part === other?.[index]);
}

/** Whether every later change gives the file another state. */
export function isSettled([, changed]: FileState, now = Date.now()): boolean {
  return Math.abs(now - changed) > TICK;
}

/** @param directory the image's. An index that cannot be used has no lines. */
export function readIndex(directory: string, image: string): VersionIndex {
  const path = fileIn(directory);
  try {
    const stat = lstatSync(path, {throwIfNoEntry: false});
    if (stat?.isFile() !== true || stat.size > LARGEST) return NONE;
    return parseIndex(readIfExists(path) ?? '', image);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return NONE; // The records tell, and what cannot be read of them.
  }
}

/** Puts it in the place of the one that is there, where that can be done. */
export function writeIndex(directory: string, image: string, index: VersionIndex): void {
  try {
    accessSync(directory, constants.W_OK); // Who may only read does not make it in vain.
    const text = formatIndex(index, image);
    // Nobody waits for the disk: what a power cut leaves of it is made anew.
    if (text.length <= LARGEST) writeAtomically(fileIn(directory), text);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

function fileIn(directory: string): string {
  return join(directory, 'versions.index');
}

export function formatIndex({directory, lines}: VersionIndex, image: string): string {
  const head: Head = {index: FORM, image, directory: directory ?? null};
  return `[${[head, ...lines].map((line) => JSON.stringify(line)).join(',\n')}]\n`;
}

/** Nothing of a text that is not a whole index of that image. */
export function parseIndex(text: string, image: string): VersionIndex {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return NONE;
  }
  if (!Array.isArray(value)) return NONE;
  const head: unknown = value.shift();
  if (!isHead(head) || head.image !== image || !value.every(isLine)) return NONE;
  return {directory: head.directory ?? undefined, lines: value};
}

interface Head {
  index: number;
  image: string;
  directory: FileState | null;
}

function isHead(value: unknown): value is Head {
  return (
    isTable(value) && value['index'] === FORM && (value['directory'] === null || isState(value['directory']))
  );
}

/** By hand: with a schema it would take longer than to read the records. */
function isLine(value: unknown): value is IndexLine {
  if (!isTable(value)) return false;
  const {id, image, parent, created, message, labels, size, file} = value;
  return (
    isIdText(id) &&
    typeof image === 'string' &&
    (parent === null || isIdText(parent)) &&
    typeof created === 'string' &&
    typeof message === 'string' &&
    isLabels(labels) &&
    typeof size === 'number' &&
    isState(file)
  );
}

function isIdText(value: unknown): boolean {
  return typeof value === 'string' && isId(value);
}

function isState(value: unknown): value is FileState {
  return Array.isArray(value) && value.length === 3 && value.every((part) => typeof part === 'number');
}

function isLabels(value: unknown): boolean {
  if (!isTable(value)) return false;
  for (const name in value) if (typeof value[name] !== 'string') return false;
  return true;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
