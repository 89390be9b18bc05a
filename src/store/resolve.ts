/** From a reference to the version that it means now. */
import {closest, distance} from 'fastest-levenshtein';
import semver from 'semver';
import {ChrootctlError} from '../errors.ts';
import {isId} from '../ids.ts';
import {formatReference, parseReference, type Reference} from '../reference.ts';
import type {Image} from './image.ts';
import type {Policy} from './policy.ts';
import type {VersionRecord} from './records.ts';
import type {Store} from './store.ts';

/** Of a version id that stands without its image, this much must be there: what is shorter is a name as people give it. */
const BARE_ID_LENGTH = 8;

/**
 * What a user typed, where an existing version is meant. As everywhere an id is printed, it may stand for itself: a version
 * id, or its unique beginning, is as good as IMAGE@VERSION. An image of that name comes first, and only where there is none
 * are the others looked through.
 * @throws ChrootctlError USAGE, also when several versions begin so
 */
export function readReference(store: Store, text: string): Reference {
  const reference = parseReference(text);
  const {image: id, selector} = reference;
  if (selector.kind !== 'latest' || id.length < BARE_ID_LENGTH || !isId(id)) return reference;
  if (store.image(id).exists()) return reference;
  const [found, ...others] = versionsBeginning(store, id);
  if (found === undefined) return reference;
  if (others.length > 0) {
    throw new ChrootctlError('USAGE', `${id} matches ${others.length + 1} versions`, {
      hint: `give more of the id: ${[found, ...others].slice(-3).map(formatReference).join(', ')}`,
    });
  }
  return found;
}

/** The versions of all images whose ids begin so; those too that are being removed and may yet be put back. */
function versionsBeginning(store: Store, prefix: string): Reference[] {
  return store.imageNames().flatMap((name) => {
    const image = store.image(name);
    return [...image.versionIds(), ...image.removingIds()]
      .filter((id) => id.startsWith(prefix))
      .map((id) => ({image: name, selector: {kind: 'version', prefix: id}}) as const);
  });
}

/** Where a version is found whose image may be another one than is thought, as a parent's may. Undefined when it is gone. */
export function locateVersion(store: Store, id: string, thought: string): Reference | undefined {
  const names = [thought, ...store.imageNames().filter((name) => name !== thought)];
  const image = names.find((name) => store.image(name).version(id) !== undefined);
  return image === undefined ? undefined : {image, selector: {kind: 'version', prefix: id}};
}

/** @throws ChrootctlError NOT_FOUND, or USAGE when a version prefix is not unique */
export function resolveReference(store: Store, reference: Reference): VersionRecord {
  return resolveIn(store, store.image(reference.image), reference);
}

/** The same, with what holds for the image. @throws ChrootctlError BAD_INPUT too, when that cannot be read */
export function resolveUnderPolicy(
  store: Store,
  reference: Reference,
): {version: VersionRecord; policy: Policy} {
  const image = store.image(reference.image);
  return {version: resolveIn(store, image, reference), policy: image.policy()};
}

function resolveIn(store: Store, image: Image, reference: Reference): VersionRecord {
  const id = versionIdOf(image, reference);
  const version = id === undefined ? undefined : image.version(id);
  if (version === undefined) throw notFound(store, image, reference);
  return version;
}

function versionIdOf(image: Image, {image: name, selector}: Reference): string | undefined {
  switch (selector.kind) {
    case 'latest':
      return image.refs().tags['latest'];
    case 'tag': {
      const {tags} = image.refs();
      // An exact tag first: `1.2` may be a tag of that name as well as the range 1.2.x.
      if (Object.hasOwn(tags, selector.text)) return tags[selector.text];
      const best = highestMatch(Object.keys(tags), selector.text);
      return best === undefined ? undefined : tags[best];
    }
    case 'version': {
      if (image.version(selector.prefix) !== undefined) return selector.prefix;
      const matches = image.versionIds().filter((id) => id.startsWith(selector.prefix));
      if (matches.length > 1) {
        throw new ChrootctlError('USAGE', `${name}@${selector.prefix} matches ${matches.length} versions`, {
          hint: `give more of the id: ${matches.slice(-3).join(', ')}`,
        });
      }
      return matches[0];
    }
  }
}

/** The highest tag that is valid semver and in the range; undefined when none is, or when it is no range. */
export function highestMatch(tags: readonly string[], range: string): string | undefined {
  if (semver.validRange(range) === null) return undefined;
  return (
    semver.maxSatisfying(
      tags.filter((tag) => semver.valid(tag) !== null),
      range,
    ) ?? undefined
  );
}

/** The tag that follows the highest semver tag: 0.1.0 after none for a minor step, and so on. */
export function bumpedTag(tags: readonly string[], step: 'major' | 'minor' | 'patch'): string {
  const versions = tags.map((tag) => semver.parse(tag)).filter((version) => version !== null);
  const [highest] = versions.sort(semver.rcompare);
  const next = new semver.SemVer(highest?.version ?? '0.0.0').inc(step);
  return next.version;
}

/** The tags that point at a version, `latest` first, then by semver and name. */
export function tagsOf(tags: Readonly<Record<string, string>>, id: string): string[] {
  return Object.keys(tags)
    .filter((tag) => tags[tag] === id)
    .sort(compareTags);
}

export function compareTags(a: string, b: string): number {
  const rank = (tag: string): number => (tag === 'latest' ? 0 : semver.valid(tag) === null ? 1 : 2);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  return rank(a) === 2 ? semver.compare(a, b) : a < b ? -1 : a > b ? 1 : 0;
}

function notFound(store: Store, image: Image, reference: Reference): ChrootctlError {
  const text = formatReference(reference);
  const tags = Object.keys(image.refs().tags);
  if (image.exists()) {
    return new ChrootctlError('NOT_FOUND', `image ${image.name} has no version '${text}'`, {
      hint:
        tags.length > 0
          ? `its tags are: ${tags.sort(compareTags).slice(0, 10).join(', ')}`
          : 'it has no tags',
    });
  }
  return new ChrootctlError('NOT_FOUND', `there is no image '${reference.image}'`, {
    hint: instead(store, reference.image),
  });
}

/** What somebody may have meant who named an image that does not exist. */
function instead(store: Store, name: string): string {
  const versions = isId(name) ? versionsBeginning(store, name) : [];
  if (versions.length > 0)
    return `the id of a version begins so: write ${versions.slice(-3).map(formatReference).join(', ')}`;
  const near = nearest(name, store.imageNames());
  if (near !== undefined) return `did you mean ${near}? chrootctl images shows all`;
  // No name that people give begins as ids do.
  if (name.length >= BARE_ID_LENGTH && isId(name) && name.startsWith('0'))
    return 'there is no version of that id either: chrootctl images shows all';
  return `make one: chrootctl bootstrap stable ${name}, or chrootctl import SOURCE ${name}`;
}

/** The closest name, if it is close enough to be a typing error. */
function nearest(name: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const best = closest(name, names);
  return distance(name, best) <= Math.max(1, Math.floor(name.length / 3)) ? best : undefined;
}
