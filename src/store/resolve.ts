/** From a reference to the version that it means now. */
import {closest, distance} from 'fastest-levenshtein';
import semver from 'semver';
import {ChrootctlError} from '../errors.ts';
import {formatReference, type Reference} from '../reference.ts';
import type {Image} from './image.ts';
import type {VersionRecord} from './records.ts';
import type {Store} from './store.ts';

/** @throws ChrootctlError NOT_FOUND, or USAGE when a version prefix is not unique */
export function resolveReference(store: Store, reference: Reference): VersionRecord {
  const image = store.image(reference.image);
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
  const near = nearest(reference.image, store.imageNames());
  return new ChrootctlError('NOT_FOUND', `there is no image '${reference.image}'`, {
    hint:
      near === undefined
        ? `make one: chrootctl bootstrap stable ${reference.image}, or chrootctl import SOURCE ${reference.image}`
        : `did you mean ${near}? chrootctl images shows all`,
  });
}

/** The closest name, if it is close enough to be a typing error. */
function nearest(name: string, names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const best = closest(name, names);
  return distance(name, best) <= Math.max(1, Math.floor(name.length / 3)) ? best : undefined;
}
