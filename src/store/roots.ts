/**
 * Who names volumes. What nobody names may be deleted, so this is the one place that says who does, and whoever begins to
 * name volumes is added to NAMERS. What cannot be read may name any volume that it could: it is told of, and what it
 * could name is left.
 */
import {readdirSync} from 'node:fs';
import {ChrootctlError, errnoOf, messageOf} from '../errors.ts';
import type {Claims, VolumeInfo} from '../storage/driver.ts';
import type {Image} from './image.ts';
import {parseRecord, readable, VersionMemo, type SessionRecord, type VersionRecord} from './records.ts';
import {volumesOf} from './sessions.ts';
import type {Store} from './store.ts';
import {isThere} from '../system/files.ts';

/** Something of the store that is missing or cannot be read. */
export interface Unread {
  /** One line that names it. */
  what: string;
  /** It may name volumes that are frozen; those and what else was made to be kept; or any. */
  couldName: 'frozen' | 'kept' | 'any';
}

export interface Roots {
  sessions: SessionRecord[];
  /** Those whose owner was gone before the versions were read: what it had committed is among them. */
  dead: SessionRecord[];
  versions: VersionRecord[];
  named: Set<string>;
  unread: Unread[];
}

/** Adds what it names, and what it cannot read, to what the namers before it found. */
type Namer = (store: Store, roots: Roots) => void;

/** In this order: a volume is named by a session before it is made, and by a version before that session ends. */
const NAMERS: readonly Namer[] = [sessionsName, versionsName];

/** For who has listed the volumes before: of those, what is not named now is nobody's, but for what could not be read. */
export function rootsOf(store: Store): Roots {
  const roots: Roots = {sessions: [], dead: [], versions: [], named: new Set(), unread: []};
  for (const namer of NAMERS) namer(store, roots);
  return roots;
}

/** The same as a driver wants to know it. */
export function claimsOf(store: Store, {sessions, dead, named, versions, unread}: Roots): Claims {
  const frozen = new Map(versions.map(({volume, parent}) => [volume, {isFirst: parent === null}]));
  const isComplete = unread.length === 0;
  const ended = new Set(dead.map(({id}) => id));
  return {
    named,
    frozen,
    isComplete,
    // Who makes a volume has a session that names it; and where that is kept, its lock, from before he begins until after.
    isGivenUp: (volume) =>
      isComplete &&
      !frozen.has(volume) &&
      sessions
        .filter((session) => volumesOf(session).includes(volume))
        .every(({id, kind}) => ended.has(id) || (kind === 'session' && store.sessions.isUnchanged(id))),
  };
}

/** A volume that nobody is found to name, and that may be somebody's all the same. */
export interface Doubt {
  why: string;
  /** The version that it is, where it says so itself: its record is lost. */
  lost?: VersionMemo;
}

/** The doubts about volumes that nobody names, by id. Those that are certainly nobody's have none. */
export async function doubtsAbout(
  store: Store,
  {unread}: Roots,
  volumes: readonly VolumeInfo[],
): Promise<Map<string, Doubt>> {
  const memos = volumes.some(({state}) => state === 'frozen')
    ? await memosIn(store)
    : new Map<string, string>();
  const ofFrozen = unread[0];
  const ofEphemeral = unread.find(({couldName}) => couldName === 'any');
  const ofKept = unread.find(({couldName}) => couldName !== 'frozen');
  const published = new Map<string, ReadonlySet<string> | undefined>();
  const doubts = new Map<string, Doubt>();
  for (const volume of volumes) {
    const doubt = ofVolume(volume) ?? ofRecords(volume);
    if (doubt !== undefined) doubts.set(volume.id, doubt);
  }
  return doubts;

  function ofRecords({state, ephemeral}: VolumeInfo): Doubt | undefined {
    const could = state === 'frozen' ? ofFrozen : ephemeral ? ofEphemeral : ofKept;
    return could && {why: could.what};
  }

  function ofVolume({id, state, ephemeral}: VolumeInfo): Doubt | undefined {
    // The session that it was made for has a record before it is made, and until it is deleted.
    if (state === 'active')
      return ephemeral ? undefined : {why: 'it was made to be kept, and no session has it'};
    const memo = memos.get(id);
    if (memo === undefined) return {why: 'it was made to last, and nothing tells what for'};
    const lost = parseRecord(VersionMemo, memo, `the memo of volume ${id}`);
    const image = store.image(lost.image);
    if (!image.exists()) return {why: `it is of image ${lost.image}, which is not there`};
    if (!published.has(image.name))
      published.set(
        image.name,
        readable(() => image.published()),
      );
    // A version that no tag has ever named is of a commit that never happened.
    return published.get(image.name)?.has(lost.id) === true
      ? {why: `it is ${lost.image}@${lost.id}, which has no record`, lost}
      : undefined;
  }
}

async function memosIn(store: Store): Promise<Map<string, string>> {
  return (await (store.driver.ledger?.memos() ?? store.driver.memos?.())) ?? new Map<string, string>();
}

function sessionsName(store: Store, roots: Roots): void {
  const {sessions, layout} = store;
  if (!isThere(layout.sessions)) roots.unread.push({what: `${layout.sessions} is gone`, couldName: 'any'});
  const {records, damaged} = sessions.all();
  roots.sessions = [...roots.sessions, ...records];
  roots.dead = roots.sessions.flatMap((record) => readable(() => sessions.leftBehind(record)) ?? []);
  for (const {path, torn} of damaged)
    // What a run that a power cut tore had made has ended with the machine.
    roots.unread.push({what: `${path} cannot be read`, couldName: torn ? 'kept' : 'any'});
  for (const record of [...roots.sessions, ...roots.dead])
    for (const volume of volumesOf(record)) roots.named.add(volume);
}

function versionsName(store: Store, roots: Roots): void {
  const unread = (what: string): void => void roots.unread.push({what, couldName: 'frozen'});
  for (const what of unreadableImages(store)) unread(what);
  for (const name of store.imageNames()) {
    const image = store.image(name);
    orUnread(() => {
      const {versions, damaged} = image.records();
      for (const {why} of damaged) unread(why);
      for (const version of versions) {
        roots.versions.push(version);
        roots.named.add(version.volume);
      }
      orUnread(() => lookAtTags(image, versions, unread), unread);
    }, unread);
  }
}

/** Tags that point to versions without a record. */
function lookAtTags(image: Image, versions: readonly VersionRecord[], unread: (what: string) => void): void {
  const {tags: before} = image.refs();
  if (danglingIn(before, versions).length > 0) {
    // A commit that came since has its record, and a removal drops the tag.
    const {tags} = image.refs();
    for (const [tag, id] of danglingIn(tags, image.records().versions))
      if (before[tag] === id) unread(`${image.name}:${tag} points to ${id}, which has no record`);
  }
  image.history();
}

function danglingIn(
  tags: Readonly<Record<string, string>>,
  versions: readonly VersionRecord[],
): [tag: string, id: string][] {
  const known = new Set(versions.map(({id}) => id));
  return Object.entries(tags).filter(([, id]) => !known.has(id));
}

/** What is to be seen of images that cannot be looked into. */
function unreadableImages({layout}: Store): string[] {
  try {
    return readdirSync(layout.images, {withFileTypes: true})
      .filter((entry) => !entry.isDirectory() && layout.imageName(entry.name) !== undefined)
      .map(({name}) => `${layout.images}/${name} is no directory`);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw error;
    return [`${layout.images} is gone`];
  }
}

function orUnread(read: () => void, unread: (what: string) => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof ChrootctlError) || error.code !== 'BAD_INPUT') throw error;
    unread(messageOf(error));
  }
}
