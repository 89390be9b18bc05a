/** A commit that failed, for whatever reason but a conflict: its work is kept, and what is told says where. */
import {ChrootctlError, toChrootctlError} from '../errors.ts';
import type {SessionRecord} from '../store/records.ts';
import {tagsOf} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';
import type {Kept} from './keep.ts';
import type {CommitOptions, Committed} from './publish.ts';

/** The error of a run that was turned into a session, or could not be. */
export function keptFailure(
  failure: unknown,
  {id, image}: Pick<SessionRecord, 'id' | 'image'>,
  commit: CommitOptions,
  {isSession, trouble}: Kept,
): ChrootctlError {
  const cause = toChrootctlError(failure);
  const {also, code, hint} = cause;
  const message = `not committed: ${cause.message}`;
  const told = isSession
    ? new ChrootctlError(code, `${message}; session ${id} keeps the work`, {
        hint: `${hint === undefined ? '' : `${hint}; then `}commit it: ${commitLine(id, image, commit)}`,
        cause,
      })
    : new ChrootctlError(code, `${message}; ${trouble?.message ?? ''}`, {
        ...(trouble?.hint === undefined ? {} : {hint: trouble.hint}),
        cause,
      });
  told.also.push(...also);
  return isSession && trouble !== undefined ? told.with(trouble) : told;
}

/** What of a commit's options the line says. */
export interface CommitWords {
  tag?: string | null | undefined;
  bump?: string | undefined;
  force?: boolean | undefined;
  message?: string | undefined;
}

/** The line that commits a session as it was to be committed. */
export function commitLine(session: string, image: string, {tag, bump, force, message}: CommitWords): string {
  return [
    'chrootctl commit',
    session,
    ...(typeof tag === 'string' ? [`${image}:${tag}`] : []),
    ...(bump === undefined ? [] : [`--bump ${bump}`]),
    ...(force === true ? ['--force'] : []),
    ...(message === undefined ? [] : [`-m '${message.replaceAll("'", "'\\''")}'`]),
  ].join(' ');
}

/** The version that a volume has become after all: storage with a ledger may bring a commit to its end by itself. */
export function committedAs(store: Store, {image: name, volume}: SessionRecord): Committed | undefined {
  const image = store.image(name);
  const version = image.versions().find((candidate) => candidate.volume === volume);
  if (version === undefined || !image.published().has(version.id)) return undefined;
  const {id, parent} = version;
  return {image: name, version: id, tags: tagsOf(image.refs().tags, id), parent};
}
