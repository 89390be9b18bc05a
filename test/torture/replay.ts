/** Plays an image's history, and looks for every acknowledged commit, move and removal in what is left. */
import {answerOf, type Committed, type HistoryEntry, type ListedVersion, type Moved} from './answers.ts';
import type {Call, Journal} from './journal.ts';

export interface ImageState {
  image: string;
  /** Oldest first. */
  history: readonly HistoryEntry[];
  versions: readonly ListedVersion[];
}

/** Clocks are read a little apart. */
const TOLERANCE_MS = 50;

export function replay(journal: Journal, state: ImageState): void {
  playTags(journal, state);
  findMoves(journal, state);
  findCommits(journal, state);
  findMakers(journal, state);
}

/** Every entry starts where the one before it ended, and the last ones are what the tags are now. */
function playTags(journal: Journal, {image, history, versions}: ImageState): void {
  const tags = new Map<string, string>();
  for (const {tag, from, to, time, action} of history) {
    const present = tags.get(tag) ?? null;
    if (present !== from)
      journal.problem(`${image}:${tag} was at ${present} when a ${action} moved it from ${from} at ${time}`);
    if (to === null) tags.delete(tag);
    else tags.set(tag, to);
  }
  const now = new Map(
    versions.flatMap(({version, tags: names}) => names.map((tag) => [tag, version] as const)),
  );
  for (const tag of new Set([...tags.keys(), ...now.keys()])) {
    if (tags.get(tag) !== now.get(tag))
      journal.problem(`${image}:${tag} is at ${now.get(tag)}, by its history at ${tags.get(tag)}`);
  }
}

function findMoves(journal: Journal, {image, history}: ImageState): void {
  const found = new Set<HistoryEntry>();
  for (const call of journal.meant('move')) {
    const moved = call.outcome === 'done' ? (answerOf(call) as Moved | undefined) : undefined;
    if (moved?.image !== image || moved.from === moved.to || mayBeRemoved(journal, image, call.began))
      continue;
    const entry = history.find(
      (candidate) =>
        !found.has(candidate) &&
        candidate.tag === moved.tag &&
        candidate.from === moved.from &&
        candidate.to === moved.to &&
        isWithin(candidate, call),
    );
    if (entry === undefined)
      journal.problem(
        `the history of ${image} lacks a move that was acknowledged; it has ${movesBeside(history, moved.tag, call)}`,
        [call],
      );
    else found.add(entry);
  }
}

/** What the history tells of a tag in the seconds around a call. */
function movesBeside(history: readonly HistoryEntry[], tag: string, {began, ended}: Call): string {
  const beside = history.filter((entry) => {
    const at = Date.parse(entry.time);
    return entry.tag === tag && at >= began - 5000 && at <= ended + 5000;
  });
  return JSON.stringify(beside);
}

function findCommits(journal: Journal, {image, history, versions}: ImageState): void {
  const known = new Set(versions.map(({version}) => version));
  for (const call of journal.meant('commit')) {
    const committed = call.outcome === 'done' ? (answerOf(call) as Committed | undefined) : undefined;
    if (committed?.image !== image || mayBeRemoved(journal, image, call.began)) continue;
    const {version, tags, parent} = committed;
    for (const tag of tags) {
      const entry = history.find((candidate) => candidate.to === version && candidate.tag === tag);
      if (entry === undefined || !isWithin(entry, call))
        journal.problem(`the history of ${image} does not tell that ${tag} came to ${version}`, [call]);
      else if (call.intent.follows && tag === 'latest' && entry.from !== parent)
        journal.problem(`${version} was made from ${parent} and hides ${entry.from}`, [call]);
    }
    if (!known.has(version) && !mayBeGone(journal, image, version, call.began))
      journal.problem(`${image}@${version} was acknowledged, and is lost`, [
        call,
        ...removalsSince(journal, image, call.began),
        ...journal.meant('remove').filter(({outcome}) => outcome === 'failed'),
      ]);
  }
  for (const call of journal.meant('remove')) {
    if (call.outcome !== 'done') continue;
    for (const removed of removedBy(call)) {
      if (removed.image !== image) continue;
      if (known.has(removed.version))
        journal.problem(`${image}@${removed.version} was removed, and is there`, [call]);
    }
  }
}

/** No version without a call that made it, and none made twice. */
function findMakers(journal: Journal, {image, versions}: ImageState): void {
  const makers = new Map(journal.meant('commit').map((call) => [call.intent.name, call]));
  const made = new Map<string, string>();
  for (const {version, message} of versions) {
    if (message === 'start') continue;
    const maker = makers.get(message);
    const other = made.get(message);
    made.set(message, version);
    if (maker === undefined) journal.problem(`nobody made ${image}@${version} (${message})`);
    else if (maker.outcome === 'failed')
      journal.problem(`${image}@${version} is of a commit that failed`, [maker]);
    else if (other !== undefined)
      journal.problem(`${image}@${version} and ${other} are of one commit`, [maker]);
  }
}

/** Whether somebody removed the version, or may have: a removal that was cut short may have come to it since it was last seen. */
function mayBeGone(journal: Journal, image: string, version: string, committed: number): boolean {
  const seen = Math.max(committed, journal.lastSeen.get(`${image}@${version}`) ?? 0);
  return removalsSince(journal, image, committed).some((call) =>
    call.outcome === 'done'
      ? removedBy(call).some((removed) => removed.image === image && removed.version === version)
      : call.ended >= seen,
  );
}

function removalsSince(journal: Journal, image: string, since: number): Call[] {
  return journal
    .meant('remove')
    .filter(
      ({intent, outcome, ended}) =>
        outcome !== 'failed' && ended >= since && (intent.image ?? image) === image,
    );
}

interface Removed {
  image: string;
  version: string;
}

function removedBy(call: Call): Removed[] {
  const answer = answerOf(call) as Removed[] | {removed: Removed[]} | undefined;
  return Array.isArray(answer) ? answer : (answer?.removed ?? []);
}

/** Whether the image itself, with its history, may have been removed after that. */
function mayBeRemoved(journal: Journal, image: string, since: number): boolean {
  return journal
    .meant('remove')
    .some(
      ({intent, outcome, ended}) =>
        intent.all && intent.image === image && outcome !== 'failed' && ended >= since,
    );
}

function isWithin({time}: HistoryEntry, {began, ended}: Call): boolean {
  const at = Date.parse(time);
  return at >= began - TOLERANCE_MS && at <= ended + TOLERANCE_MS;
}
