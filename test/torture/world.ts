/** What the workers know of the store: enough to make calls that mostly mean something. */
import type {Random} from '../vm/power-cut/random.ts';

/**
 * Safe images lose no version that has a tag, and all of their versions are whole. In the session image sessions are
 * committed, whatever somebody was writing there. The passing image is removed now and then, and comes again.
 */
export const SAFE_IMAGES = ['alpha', 'beta'] as const;
export const SESSION_IMAGE = 'gamma';
export const PASSING_IMAGE = 'delta';
export const IMAGES: readonly string[] = [...SAFE_IMAGES, SESSION_IMAGE, PASSING_IMAGE];

const TAGS = ['stable', 'testing', '1.0.0', '1.1.0'];

/** Ends of the names of sessions that one worker uses, again and again: a name that comes again is a race more. */
const OF_SESSION_IMAGE = '-home';
const OF_OTHERS = '-away';

/** How many of the latest versions seen are referred to. */
const REMEMBERED = 12;

export class World {
  /** Directories of the host: a root to import for each worker, and tars. */
  readonly directory: string;
  readonly #versions = new Map<string, string[]>();
  #sessions: string[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  sawVersion(image: string, version: string): void {
    const known = this.#versions.get(image) ?? [];
    if (!known.includes(version)) this.#versions.set(image, [version, ...known].slice(0, REMEMBERED));
  }

  sawSessions(ids: readonly string[]): void {
    this.#sessions = [...ids];
  }

  image(random: Random): string {
    return pick(random, IMAGES);
  }

  tag(random: Random): string {
    return pick(random, TAGS);
  }

  /** A version of the image by its id; by its latest if none is known. */
  version(random: Random, image: string): string {
    const known = this.#versions.get(image) ?? [];
    return known.length === 0 ? image : `${image}@${pick(random, known)}`;
  }

  /** By any kind of name. */
  reference(random: Random, image: string): string {
    if (random.happens(0.5)) return image;
    return random.happens(0.3) ? `${image}:${this.tag(random)}` : this.version(random, image);
  }

  ownSession(random: Random, worker: string): string {
    return worker + pick(random, [OF_SESSION_IMAGE, OF_OTHERS]);
  }

  /** Whether a session of that name was begun from the session image. */
  isAtHome(session: string): boolean {
    return session.endsWith(OF_SESSION_IMAGE);
  }

  awaySession(worker: string): string {
    return worker + OF_OTHERS;
  }

  /** Mostly the worker's own, else anybody's. */
  session(random: Random, worker: string): string {
    if (this.#sessions.length === 0 || random.happens(0.7)) return this.ownSession(random, worker);
    return pick(random, this.#sessions);
  }
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)]!;
}
