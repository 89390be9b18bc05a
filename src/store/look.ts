/**
 * All versions of an image, to show them: a single look at each record, or at the line of the index that was made from it
 * (version-index.ts). What is done to versions goes by Image's own methods, which read the records.
 */
import {join} from 'node:path';
import {errnoOf} from '../errors.ts';
import {REMOVING} from './image-change.ts';
import type {Image} from './image.ts';
import {filesIn, readNamed} from './record-files.ts';
import {messageIfDamaged, VersionRecord} from './records.ts';
import {
  isSame,
  isSettled,
  readIndex,
  stateAt,
  writeIndex,
  type FileState,
  type IndexLine,
  type ShownVersion,
  type VersionIndex,
} from './version-index.ts';

export interface Look {
  /** All that can be read, oldest first. */
  versions: ShownVersion[];
  /** The tags, as of after the versions were looked at; none when they cannot be read. */
  tags: Readonly<Record<string, string>>;
  /** What cannot be read; one line each. */
  complaints: string[];
}

/** So many records are read as soon as an index is; more are worth a new one. */
const FEW = 8;
/** One version in so many, likewise: a new index has to pay, too. */
const SHARE = 64;

/**
 * Up to so many versions each record's file is looked at, which shows any change of it. To look at more takes longer than
 * all else; there the directory tells, in which no record can come, go or be replaced without a trace. One that somebody
 * edits in place shows in a listing when anything else has changed there.
 */
export const MANY = 1_000;

/** @param many for tests: see `MANY` */
export function lookAt(image: Image, many = MANY): Look {
  let found: Found = {versions: [], complaints: []};
  const ofDirectory = messageIfDamaged(() => void (found = versionsOf(image, many))) ?? [];
  let tags: Look['tags'] = {};
  const ofTags = messageIfDamaged(() => void ({tags} = image.refs())) ?? [];
  const ofPolicy = ofTags.length > 0 ? [] : (messageIfDamaged(() => image.policy()) ?? []);
  const complaints = [ofTags, ofDirectory, found.complaints, ofPolicy].flat();
  return {versions: found.versions, tags, complaints};
}

type Found = Pick<Look, 'versions' | 'complaints'>;

function versionsOf({directory, name}: Image, many: number): Found {
  const place = join(directory, 'versions');
  const before = stateIfTold(place);
  const index = readIndex(directory, name);
  const isUnchanged = index.directory !== undefined && isSame(index.directory, before);
  if (isUnchanged && index.lines.length > many) return {versions: index.lines, complaints: []};

  const {kept, read, hidden, complaints} = recordsIn(place, index);
  const records = inOrder([...kept, ...read]);
  const lines = records.filter(isForIndex);
  const isWhole = lines.length === records.length && hidden === 0 && complaints.length === 0;
  const told = isWhole && before !== undefined && isSettled(before) ? before : undefined;
  const changes = index.lines.length - kept.length + read.filter(isForIndex).length;
  if (changes > FEW + lines.length / SHARE || (told !== undefined && lines.length > many))
    writeIndex(directory, name, {directory: told, lines});
  return {versions: records, complaints};
}

/** What a record says, and which file it is in where that can be told for good. */
type Told = ShownVersion & {file?: FileState | undefined};

function isForIndex(record: Told): record is IndexLine {
  return record.file !== undefined;
}

interface Records {
  /** Those that the index still tells of. */
  kept: IndexLine[];
  /** Those that it does not. */
  read: Told[];
  /** How many are out of sight: only what is wrong with them is told. */
  hidden: number;
  complaints: string[];
}

/** By one list of names: a version that is hidden or put back meanwhile was out of sight for a moment, and may be so here. */
function recordsIn(place: string, {lines}: VersionIndex): Records {
  const names = new Set(filesIn(place));
  const kept = lines.filter(({id, file}) => {
    const name = `${id}.json`;
    return names.has(name) && isSame(file, stateIfTold(`${place}/${name}`)) && names.delete(name);
  });
  const found: Records = {kept, read: [], hidden: 0, complaints: []};
  for (const name of names) {
    const isHidden = name.endsWith(REMOVING);
    if (!isHidden && !name.endsWith('.json')) continue;
    if (isHidden) found.hidden++;
    const why = messageIfDamaged(() => {
      const record = readTold(`${place}/${name}`, name.slice(0, name.indexOf('.json')));
      if (record !== undefined && !isHidden) found.read.push(record);
    });
    if (why !== undefined) found.complaints.push(why);
  }
  return found;
}

/** @throws ChrootctlError BAD_INPUT */
function readTold(path: string, id: string): Told | undefined {
  // Before the record is read: what changes in between has another state.
  const file = stateIfTold(path);
  const record = readNamed(VersionRecord, path, id);
  if (record === undefined) return undefined;
  const {image, parent, created, message, labels, size} = record;
  const told = {id, image, parent, created, message, labels, size};
  return file !== undefined && isSettled(file) ? {...told, file} : told;
}

/** Undefined where the disk does not tell, too: whoever reads the record says why. */
function stateIfTold(path: string): FileState | undefined {
  try {
    return stateAt(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

function inOrder(records: Told[]): Told[] {
  const isSorted = records.every(({id}, at) => at === 0 || (records[at - 1]?.id ?? '') < id);
  return isSorted ? records : records.sort((a, b) => (a.id < b.id ? -1 : 1));
}
