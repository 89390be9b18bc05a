/**
 * Where things are in a pool, and by what they are known as ours:
 *
 *     tank/chrootctl                  chrootctl:store     the root of the store that it belongs to
 *     ├── volumes
 *     │   └── 4t8xk2m9qa              chrootctl:volume    its own id
 *     │       ├── @4t8xk2m9qa         the volume, frozen; chrootctl:memo, what the store keeps with it
 *     │       └── @….base, @….live    what is there for the clones of it only
 *     ├── incoming
 *     │   └── 92f3…               chrootctl:incoming  a stream that is not here in full yet; its snapshot's GUID
 *     └── images
 *         └── debian                  chrootctl:line      an image's name; chrootctl:move.N, its moves
 *
 * A name is ours only if the property repeats it. User properties are inherited, by snapshots too, but what somebody
 * else makes in our room has another name than what it inherits.
 */
import {ChrootctlError} from '../../errors.ts';
import {isId} from '../../ids.ts';

export const PROPERTY = {
  store: 'chrootctl:store',
  volume: 'chrootctl:volume',
  parent: 'chrootctl:parent',
  ephemeral: 'chrootctl:ephemeral',
  /** `removed`: a dataset that is there for its snapshots only. */
  state: 'chrootctl:state',
  memo: 'chrootctl:memo',
  /** The memo that came with a stream, until there is a snapshot to keep one with. */
  incoming: 'chrootctl:incoming',
  /** Seconds since 1970: when a stream was last begun to be received. */
  since: 'chrootctl:since',
  line: 'chrootctl:line',
  seq: 'chrootctl:seq',
  move: 'chrootctl:move',
} as const;

/** Ends the name of a snapshot that is no volume any more, but that clones are based on. */
const BASE = '.base';
/** A name of its own: an heir may come to have both the snapshot that a version was cloned of and the version's own. */
const LIVE = '.live';

/** zfs(8) allows 255 bytes for a whole name; what comes below needs some of them. */
const DATASET_LENGTH = 120;
const LINE_LENGTH = 80;

/** @throws ChrootctlError USAGE for what cannot be a dataset below a pool */
export function checkDataset(name: string): string {
  const parts = name.split('/');
  const valid =
    parts.length > 1 &&
    /^[A-Za-z]/.test(name) &&
    parts.every((part) => /^[A-Za-z0-9_.:-]+$/.test(part) && !/^\.\.?$/.test(part));
  if (!valid || name.length > DATASET_LENGTH) {
    throw new ChrootctlError('USAGE', `'${name}' is not a dataset that chrootctl can use`, {
      hint: `write POOL/NAME, as in tank/chrootctl (at most ${DATASET_LENGTH} characters, no spaces)`,
    });
  }
  return name;
}

/** @throws ChrootctlError BAD_INPUT */
export function checkId(id: string): string {
  if (isId(id)) return id;
  throw new ChrootctlError('BAD_INPUT', `not a volume id: ${JSON.stringify(id)}`);
}

/** The part of a pool that is one store's. */
export class Room {
  readonly dataset: string;

  /** @throws ChrootctlError USAGE */
  constructor(dataset: string) {
    this.dataset = checkDataset(dataset);
  }

  get pool(): string {
    return this.dataset.split('/')[0] ?? '';
  }

  get volumes(): string {
    return `${this.dataset}/volumes`;
  }

  /** Where streams are received: what is there is no volume yet. */
  get incoming(): string {
    return `${this.dataset}/incoming`;
  }

  get images(): string {
    return `${this.dataset}/images`;
  }

  /** @throws ChrootctlError BAD_INPUT: a name is never built from what is not an id */
  volume(id: string): string {
    return `${this.volumes}/${checkId(id)}`;
  }

  /** Where the snapshot of a frozen volume is, unless somebody promoted a clone of it by hand. */
  frozen(id: string): string {
    return `${this.volume(id)}@${id}`;
  }

  /** The dataset of a line of moves. Names are readable; of two with the same long beginning the hash differs. */
  async line(line: string): Promise<string> {
    const name = line.replace(/[^a-z0-9_.-]/g, (char) => `:${char.codePointAt(0)?.toString(16) ?? ''}`);
    if (name.length <= LINE_LENGTH && !/^\.\.?$/.test(name)) return `${this.images}/${name}`;
    const {createHash} = await import('node:crypto');
    const hash = createHash('sha256').update(line).digest('hex').slice(0, 16);
    return `${this.images}/${name.slice(0, LINE_LENGTH)}:${hash}`;
  }
}

/** The last part of a dataset's name. */
export function lastPart(dataset: string): string {
  return dataset.slice(dataset.lastIndexOf('/') + 1);
}

export function datasetOf(snapshot: string): string {
  return snapshot.slice(0, snapshot.indexOf('@'));
}

/** The same snapshot under the name that says: kept for its clones only. */
export function baseName(snapshot: string): string {
  return snapshot + BASE;
}

/** The name of a snapshot of a live dataset, which is there for the clone that is to be volume `id`, and its heirs. */
export function liveName(dataset: string, id: string): string {
  return `${dataset}@${id}${LIVE}`;
}

/** What a snapshot's own name (after the @) says: which volume's it is, and whether that still is one. */
export function parseSnapshot(name: string): {id: string; isBase: boolean} {
  const end = [BASE, LIVE].find((suffix) => name.endsWith(suffix));
  return end === undefined ? {id: name, isBase: false} : {id: name.slice(0, -end.length), isBase: true};
}
