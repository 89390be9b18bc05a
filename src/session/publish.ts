/**
 * The one way in which a version comes into being: compare, freeze, record, move the tags. All of it happens under
 * the image's lock, and nothing of it counts before the tags move.
 */
import {afterwards, ChrootctlError} from '../errors.ts';
import {versionId} from '../ids.ts';
import {checkTag} from '../reference.ts';
import type {Note} from '../storage/ledger.ts';
import type {Done, Tell} from '../store/commit-point.ts';
import type {Image, TagMoves} from '../store/image.ts';
import {
  bare,
  readable,
  type HistoryAction,
  type Refs,
  type RunConfig,
  type VersionMemo,
} from '../store/records.ts';
import {moved} from '../store/refs.ts';
import {bumpedTag, tagsOf} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';
import {isoTime} from '../system/clock.ts';
import {Unconfirmed} from '../system/files.ts';
import {ownUser} from '../system/user.ts';

export type Step = 'major' | 'minor' | 'patch';

export interface CommitOptions {
  /** Tag that the new version gets besides `latest`. */
  tag?: string | null | undefined;
  /** Gives the tag that follows the highest semver tag. */
  bump?: Step | undefined;
  message?: string | undefined;
  labels?: Record<string, string> | undefined;
  /** Move the tags wherever they point now. */
  force?: boolean | undefined;
}

export interface Publication extends CommitOptions {
  image: string;
  /** The version that the contents were made from. */
  parent: string | null;
  /** The version that `latest` must still point to. */
  expected: string | null;
  config: RunConfig;
  action: HistoryAction;
  /** Makes the contents immutable and durable, with the note beside them; gives the volume that holds them. */
  freeze: (note: Note) => Promise<string>;
  /** Told of the version as soon as the tags have moved. */
  tell?: Tell | undefined;
}

/** What a commit reports. */
export interface Committed {
  image: string;
  version: string;
  tags: string[];
  parent: string | null;
}

/** @throws ChrootctlError CONFLICT when a tag has moved; then nothing has changed, and nothing was frozen */
export async function publish(store: Store, publication: Publication): Promise<Committed> {
  const image = store.image(publication.image);
  return image.change(async (change) => {
    change.mendTornTags();
    const refs = image.refs();
    const tag =
      publication.bump === undefined ? publication.tag : bumpedTag(Object.keys(refs.tags), publication.bump);
    const id = versionId(newest(publication.parent, refs.tags['latest']));
    const description: VersionMemo = {
      id,
      image: image.name,
      parent: publication.parent,
      created: isoTime(),
      message: publication.message ?? '',
      labels: publication.labels ?? {},
      config: publication.config,
    };
    const moves = change.prepareMoves(movesFor(image, refs, {...publication, tag}, id), {
      action: publication.action,
      by: currentUser(),
      message: description.message,
    });
    const volume = await publication.freeze({
      memo: JSON.stringify(description),
      entry: change.ledgerEntry(moves),
    });
    const version = {...description, volume, size: await store.driver.usage(volume)};
    const tags = tagsOf(moved(refs.tags, moves.entries), id);
    const committed = {image: image.name, version: id, tags, parent: version.parent};
    let isAdded = false;
    try {
      change.addVersion(version);
      isAdded = true;
      change.applyMoves(moves);
    } catch (error) {
      // Before the tags moved, nobody knows of it; after that (the disk failed to confirm it), others may.
      if (!isAdded || !(error instanceof Unconfirmed))
        throw await afterwards(error, () => change.withdrawVersion(id));
      publication.tell?.(madeOf(committed));
      throw error;
    }
    publication.tell?.(madeOf(committed));
    return committed;
  });
}

/** What is told of a version that was made, when something fails after that. */
export function madeOf(committed: Committed): Done {
  const {image, version, tags} = committed;
  const names = tags.length === 0 ? '' : ` (${tags.join(', ')})`;
  return {
    words: `${image}@${version}${names} is made`,
    rest: `chrootctl history ${image} shows it, and chrootctl doctor what is left to mend`,
    facts: {...committed},
  };
}

/**
 * Which of these volumes belong to a version now: after a failure that could have come before or after the commit
 * point, they are not the session's to throw away. While a record cannot be read, all of them count.
 */
export function publishedOf(store: Store, image: string, volumes: readonly string[]): string[] {
  const versions = store.image(image).allVersions();
  return volumes.filter((id) => versions?.some(({volume}) => volume === id) ?? true);
}

/** Where `latest` is, for who will put something else in its place that was not made from it. */
export async function latestOf(image: Image): Promise<string | null> {
  if (readable(() => image.refs()) === undefined)
    await image.change((change) => {
      change.mendTornTags();
      return Promise.resolve();
    });
  return image.refs().tags['latest'] ?? null;
}

/** Fails early where `publish` would fail for sure, before the work that it would throw away. @throws ChrootctlError CONFLICT */
export function checkExpected(
  image: Image,
  publication: Pick<Publication, 'expected' | keyof CommitOptions>,
): void {
  movesFor(image, image.refs(), publication, '');
}

/** The tag that a version is to get besides `latest`; null for none. @throws ChrootctlError USAGE */
export function checkOwnTag(tag: CommitOptions['tag']): string | null {
  return tag === undefined || tag === null ? null : checkTag(tag);
}

/** Who moves tags, for the history: behind sudo the user that sudo was called by. */
export function currentUser(): string {
  return process.env['SUDO_USER'] ?? ownUser().name;
}

function movesFor(
  image: Image,
  refs: Refs,
  {expected, tag, force = false, bump}: Pick<Publication, 'expected' | keyof CommitOptions>,
  id: string,
): TagMoves {
  const latest = refs.tags['latest'] ?? null;
  const named = tag === 'latest' ? null : checkOwnTag(tag);
  const moves = bare({});
  if (force || latest === expected) moves['latest'] = id;
  // Under a tag of its own a version is not lost, even if `latest` has gone elsewhere.
  else if (named === null || bump !== undefined) throw conflict(image.name, 'latest', expected, latest);
  if (named !== null) {
    const present = refs.tags[named] ?? null;
    if (!force && present !== null && !isAncestor(image, present, expected)) {
      throw conflict(image.name, named, expected, present);
    }
    moves[named] = id;
  }
  return moves;
}

/** Whether `ancestor` is `id` or one of its parents, so that a tag that moves on loses nothing. */
function isAncestor(image: Image, ancestor: string, id: string | null): boolean {
  for (let at = id; at !== null; at = image.version(at)?.parent ?? null) if (at === ancestor) return true;
  return false;
}

function conflict(
  image: string,
  tag: string,
  expected: string | null,
  present: string | null,
): ChrootctlError {
  const now = present === null ? 'it is gone' : `it is at ${present}`;
  const before = expected === null ? 'this is a first version' : `this was made from ${expected}`;
  return new ChrootctlError('CONFLICT', `${image}:${tag} has moved: ${now}, ${before}`, {
    hint: `look at chrootctl history ${image}, then start again from what is there now, or overwrite it with --force`,
  });
}

function newest(...ids: (string | null | undefined)[]): string | null {
  return (
    ids
      .filter((id) => typeof id === 'string')
      .sort()
      .at(-1) ?? null
  );
}
