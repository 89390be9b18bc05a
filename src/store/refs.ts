/**
 * The tags of an image, and when they are lost. An image gets its tags file before it gets anything else, so one that
 * has versions or a history and no tags has lost them: that is damage, and never the beginning of a new image.
 */
import {join} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import {isThere, makeDirectoryDurably, setAside, writeDurably} from '../system/files.ts';
import {hasHistory, readUnconfirmed} from './history.ts';
import {hasPolicy} from './policy.ts';
import {filesIn} from './record-files.ts';
import {
  bare,
  formatRecord,
  isDamage,
  isWithheld,
  readable,
  readRecord,
  Refs,
  type HistoryEntry,
} from './records.ts';

const NO_REFS: Refs = {seq: 0, tags: bare({})};

/** The tags. @throws ChrootctlError BAD_INPUT when they cannot be read, or are not there though the image is */
export function readRefs(directory: string): Refs {
  const path = refsFile(directory);
  const refs = readRecord(Refs, path);
  if (refs !== undefined) return refs;
  if (isNew(directory)) return NO_REFS;
  // It may have become an image since the first look.
  const last = readRecord(Refs, path);
  if (last !== undefined) return last;
  throw new ChrootctlError('BAD_INPUT', `${path} is lost`, {
    hint: 'chrootctl doctor --fix makes it anew from the history',
  });
}

/**
 * For the only writer of an image: makes the tags anew where their file is torn and the history tells for certain what they
 * were, since it explains all versions that there are. One that is gone altogether is for doctor to look at.
 */
export function mendTornRefs(directory: string): void {
  if (!isTorn(directory)) return;
  const told = toldRefs(directory);
  if (told !== undefined) writeRefs(directory, told);
}

/** What the disk keeps back is not torn: it may yet say less than the history, of which the last line need not count. */
function isTorn(directory: string): boolean {
  if (!isThere(refsFile(directory))) return false;
  try {
    readRefs(directory);
    return false;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return !isWithheld(error);
  }
}

/** Whether there is a policy, for tags that are made anew: as those before said, or in doubt that there is. */
export function toldPolicy(directory: string): {policy?: true} {
  const before = readable(() => readRecord(Refs, refsFile(directory)));
  if (before === undefined) return hasPolicy(directory);
  return before.policy === true ? {policy: true} : {};
}

function toldRefs(directory: string): Refs | undefined {
  const ids = versionFilesIn(directory).map((name) => name.slice(0, name.indexOf('.')));
  const moves = readUnconfirmed(historyFile(directory), (id) => ids.includes(id));
  const told = new Set(moves?.map(({to}) => to));
  if (moves === undefined || moves.length === 0 || !ids.every((id) => told.has(id))) return undefined;
  return {seq: moves.at(-1)?.seq ?? 0, tags: moved({}, moves), ...toldPolicy(directory)};
}

/** The tags after these moves. */
export function moved(
  tags: Readonly<Record<string, string>>,
  entries: readonly Pick<HistoryEntry, 'tag' | 'to'>[],
): Record<string, string> {
  const after = bare({...tags});
  for (const {tag, to} of entries) {
    if (to === null) Reflect.deleteProperty(after, tag);
    else after[tag] = to;
  }
  return after;
}

/** For the only writer of an image that is about to get something: from here on, having no tags is damage. */
export function beginRefs(directory: string): void {
  if (readRefs(directory) !== NO_REFS) return;
  makeDirectoryDurably(directory);
  writeRefs(directory, NO_REFS);
}

/** What cannot be read in their place is kept beside. */
export function writeRefs(directory: string, refs: Refs): void {
  if (readable(() => readRecord(Refs, refsFile(directory)) ?? null) === undefined)
    setAside(refsFile(directory));
  writeDurably(refsFile(directory), formatRecord(refs));
}

export function refsFile(directory: string): string {
  return join(directory, 'refs.json');
}

export function historyFile(directory: string): string {
  return join(directory, 'history.jsonl');
}

/** Whether nothing there could ever have been named by a tag. */
function isNew(directory: string): boolean {
  return versionFilesIn(directory).length === 0 && !hasHistory(historyFile(directory));
}

function versionFilesIn(directory: string): string[] {
  return filesIn(join(directory, 'versions')).filter((name) => /\.json(?:\.removing)?$/.test(name));
}
