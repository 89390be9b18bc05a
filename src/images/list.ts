/** What the store holds, as users see it. */
import type {Reference} from '../reference.ts';
import type {Image} from '../store/image.ts';
import {lookAt, type Look} from '../store/look.ts';
import type {HistoryEntry, RunConfig} from '../store/records.ts';
import {compareTags, readReference, resolveReference, tagsOf} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';
import type {ShownVersion} from '../store/version-index.ts';

/** One version, as `images --json` shows it. */
export interface ListedVersion {
  image: string;
  version: string;
  tags: string[];
  parent: string | null;
  /** ISO 8601, UTC. */
  created: string;
  /** Bytes on disk beyond the parent's. */
  size: number;
  message: string;
  labels: Record<string, string>;
}

export interface InspectedVersion extends ListedVersion {
  config: RunConfig;
  /** The moves of tags to or away from this version, newest first. */
  history: HistoryEntry[];
  driver: string;
  volume: string;
}

/** Images by name, versions newest first. */
export function listVersions(store: Store, image?: string): ListedVersion[] {
  return listing(store, image).versions;
}

export interface Listing {
  /** As `listVersions` gives them. */
  versions: ListedVersion[];
  /** What of the images that are listed cannot be read; one line each. */
  damage: string[];
}

export function listing(store: Store, image?: string): Listing {
  const looks = imagesOf(store, image).map((one) => lookAt(one));
  return {
    versions: looks.flatMap(newestFirst),
    damage: looks.flatMap(({complaints}) => complaints),
  };
}

function imagesOf(store: Store, image: string | undefined): Image[] {
  if (image !== undefined) return [existing(store, readReference(store, image))];
  return store.imageNames().map((name) => store.image(name));
}

/** Of an image whose tags cannot be read the versions can be used all the same. */
function newestFirst({versions, tags}: Look): ListedVersion[] {
  const byVersion = Map.groupBy(Object.keys(tags), (tag) => tags[tag]);
  // Each version's by itself: to compare all of thousands takes longer than all else.
  return versions
    .reverse()
    .map((version) => listed(version, byVersion.get(version.id)?.sort(compareTags) ?? []));
}

/** @throws ChrootctlError NOT_FOUND */
export function inspectVersion(store: Store, reference: string): InspectedVersion {
  const version = resolveReference(store, readReference(store, reference));
  const image = store.image(version.image);
  return {
    ...listed(version, tagsOf(image.refs().tags, version.id)),
    config: version.config,
    history: image
      .history()
      .filter(({from, to}) => from === version.id || to === version.id)
      .reverse(),
    driver: store.driver.name,
    volume: version.volume,
  };
}

/** Who moved what pointer when, newest first. @throws ChrootctlError NOT_FOUND */
export function listHistory(store: Store, image: string): HistoryEntry[] {
  return existing(store, readReference(store, image))
    .history()
    .sort((a, b) => b.seq - a.seq); // Stable: the tags of one move stay in their order.
}

/** The image of a reference, one of whose versions need not be there. @throws ChrootctlError NOT_FOUND */
export function existing(store: Store, reference: Reference): Image {
  const image = store.image(reference.image);
  if (!image.exists()) resolveReference(store, reference); // Throws, with a good hint.
  return image;
}

function listed(version: ShownVersion, tags: string[]): ListedVersion {
  return {
    image: version.image,
    version: version.id,
    tags,
    parent: version.parent,
    created: version.created,
    size: version.size,
    message: version.message,
    labels: version.labels,
  };
}
