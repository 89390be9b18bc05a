/** An entry of a tar, put together from its header and the extended headers before it. */
import {isZero, type Header} from './header.ts';
import {parsePax, type PaxRecord} from './pax.ts';
import {refusal, shown} from './refusal.ts';
import {paxSparse, type Regions} from './sparse.ts';

export type EntryType =
  'file' | 'link' | 'symlink' | 'character-device' | 'block-device' | 'directory' | 'fifo';

export interface Entry {
  /** As tar(1) will use it, after all extended headers: bytes as latin1. */
  name: string;
  type: EntryType;
  /** Target of a link or symlink, else empty. */
  linkName: string;
  device: {major: number; minor: number} | undefined;
}

const TYPES: Partial<Record<string, EntryType>> = {
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
  S: 'file',
};

/** Keywords that change where an entry goes or how long it is: at most once, and never for the whole archive. */
const DECISIVE = /^(path|linkpath|size|GNU\.sparse\.(name|major|minor|map|numblocks))$/;

export interface Described {
  entry: Entry;
  /** Bytes of contents in the archive. */
  size: number;
  /** Where the map of a sparse file is. */
  sparse: 'old GNU' | 'map in contents' | {regions: Regions} | undefined;
}

/** The extended headers that wait for their entry. What gives a thing twice is refused: programs differ in which wins. */
export class Extensions {
  #longName: string | undefined;
  #longLink: string | undefined;
  #pax: PaxRecord[] | undefined;

  get pending(): boolean {
    return this.#pax !== undefined || this.#longName !== undefined || this.#longLink !== undefined;
  }

  /** Takes an extended header: `L` and `K` are GNU's long names, `x`, `X` and `g` pax. @throws ChrootctlError BAD_INPUT */
  add(type: string, body: Buffer): void {
    if (type === 'L') {
      if (this.#longName !== undefined)
        throw refusal(`the archive gives one entry two names, ${shown(this.#longName)} the first`);
      this.#longName = longName(body);
    } else if (type === 'K') {
      if (this.#longLink !== undefined)
        throw refusal(`the archive gives one entry two link targets, ${shown(this.#longLink)} the first`);
      this.#longLink = longName(body);
    } else {
      this.#addPax(body, type === 'g');
    }
  }

  #addPax(body: Buffer, global: boolean): void {
    const records = parsePax(body);
    if (records === undefined) throw refusal('the archive has a malformed extended header');
    const seen = new Set<string>();
    for (const [keyword, value] of records) {
      const decisive = DECISIVE.test(keyword);
      if (decisive && (global || seen.has(keyword) || value.includes('\0'))) {
        throw refusal(`an extended header has an invalid ${shown(keyword)}: ${shown(value)}`);
      }
      if (/^GNU\.(volume|dumpdir)/.test(keyword) || (global && keyword.startsWith('GNU.sparse.'))) {
        throw refusal(`an extended header has ${shown(keyword)}, which has no place in a root file system`);
      }
      seen.add(keyword);
    }
    if (global) return;
    if (this.#pax !== undefined) throw refusal('the archive has two extended headers for one entry');
    this.#pax = records;
  }

  /** The entry of the next header, which is no extended one. @throws ChrootctlError BAD_INPUT */
  apply(header: Header): Described {
    const pax = this.#pax ?? [];
    const value = (keyword: string): string | undefined => pax.find(([key]) => key === keyword)?.[1];
    const paxName = value('GNU.sparse.name') ?? value('path');
    const paxLink = value('linkpath');
    if (
      (paxName !== undefined && this.#longName !== undefined) ||
      (paxLink !== undefined && this.#longLink !== undefined)
    ) {
      throw refusal(
        `the archive gives one entry two names, ${shown(this.#longName ?? this.#longLink ?? '')} the first`,
      );
    }
    const name = paxName ?? this.#longName ?? header.name;
    const linkName = paxLink ?? this.#longLink ?? header.linkName;
    const known = TYPES[header.type];
    if (known === undefined) {
      throw refusal(
        `${shown(name)} is of type ${shown(header.type)}, which has no place in a root file system`,
      );
    }
    // Tars from before POSIX mark a directory by the slash at its end only.
    const type = known === 'file' && header.type !== 'S' && name.endsWith('/') ? 'directory' : known;
    const size = sizeOf(name, header.size, value('size'));
    if (type !== 'file' && size !== 0) throw refusal(`${shown(name)} is a ${type} and yet has contents`);
    const sparse = paxSparse(pax);
    if (sparse === null || (sparse !== undefined && (type !== 'file' || header.type === 'S'))) {
      throw refusal(`${shown(name)} has a broken sparse map`);
    }
    this.#longName = this.#longLink = this.#pax = undefined;
    const isOldGnu = header.type === 'S';
    if (isOldGnu && !header.oldGnu)
      throw refusal(`${shown(name)} is a sparse file in a format that is not known here`);
    const target = type === 'link' || type === 'symlink' ? linkName : '';
    return {
      entry: {name, type, linkName: target, device: header.device},
      size,
      sparse: isOldGnu ? 'old GNU' : sparse,
    };
  }
}

function longName(body: Buffer): string {
  const end = body.indexOf(0);
  const name = end === -1 ? body : body.subarray(0, end);
  if (end !== -1 && !isZero(body.subarray(end)))
    throw refusal(`the name ${shown(body.toString('latin1'))} has a NUL in it`);
  return name.toString('latin1');
}

function sizeOf(name: string, fromHeader: number, fromPax: string | undefined): number {
  if (fromPax === undefined) return fromHeader;
  const size = /^[0-9]{1,16}$/.test(fromPax) ? Number(fromPax) : NaN;
  if (!Number.isSafeInteger(size)) throw refusal(`${shown(name)} has an invalid size: ${shown(fromPax)}`);
  return size;
}
