/**
 * Reads a tar as it streams by and tells of each entry before tar(1) has seen it. Its own reader and not a library's,
 * because it must agree with tar(1) to the byte, or else refuse: names stay bytes, sparse files of all four formats
 * are followed, the end marker is demanded, and every header that could be read in two ways is an error.
 */
import {kindOfBytes} from './compression.ts';
import {Extensions, type Entry} from './entry.ts';
import {BLOCK, isZero, looksLikeHeader, readHeader, type Header} from './header.ts';
import {refusal, shown} from './refusal.ts';
import {SparseMapReader, fits, oldGnuRegions} from './sparse.ts';

/** Extended attributes of one file are at most 64 KiB each on Linux; the rest is names and sparse maps. */
const LARGEST_EXTENSION = 8 * 1024 * 1024;

/** What the blocks that are being gathered are for. */
type Awaited = 'header' | 'extension' | 'old sparse map' | 'sparse map' | 'end';

interface Current {
  name: string;
  /** Bytes of contents still to come, without padding. */
  size: number;
  regions: number[];
}

export class TarReader {
  readonly #onEntry: (entry: Entry) => void;
  #awaited: Awaited = 'header';
  /** Bytes to gather before the next step, and what has been gathered of them. */
  #wanted = BLOCK;
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  /** Bytes of contents and padding to pass over. */
  #skip = 0;
  #first = true;
  #ended = false;
  /** The header that the extension being gathered belongs to. */
  #extension: Header | undefined;
  readonly #extensions = new Extensions();
  #current: Current = {name: '', size: 0, regions: []};
  #mapReader = new SparseMapReader();

  constructor(onEntry: (entry: Entry) => void) {
    this.#onEntry = onEntry;
  }

  /** Takes the next bytes. @throws ChrootctlError BAD_INPUT; nothing of these bytes may then be used. */
  write(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#awaited === 'end') {
        this.#checkTrailer(chunk.subarray(at));
        return;
      }
      if (this.#skip > 0) {
        const passed = Math.min(this.#skip, chunk.length - at);
        this.#skip -= passed;
        at += passed;
        continue;
      }
      const part = chunk.subarray(at, at + this.#wanted - this.#gatheredBytes);
      at += part.length;
      this.#gatheredBytes += part.length;
      if (this.#gatheredBytes < this.#wanted) {
        this.#gathered.push(Buffer.from(part)); // The chunk's memory is the caller's.
        continue;
      }
      const whole = this.#gathered.length === 0 ? part : Buffer.concat([...this.#gathered, part]);
      this.#gathered = [];
      this.#gatheredBytes = 0;
      this.#take(whole);
    }
  }

  /** Passes over contents of an entry that come next, at most `available` bytes; returns how many. */
  passOver(available: number): number {
    const passed = Math.min(this.#skip, available);
    this.#skip -= passed;
    return passed;
  }

  /** All bytes have been written. @throws ChrootctlError BAD_INPUT when that cannot be all. */
  end(): void {
    if (this.#ended) return;
    if (this.#first) throw notATar(Buffer.concat(this.#gathered));
    const where =
      this.#skip > 0 || this.#awaited !== 'header'
        ? `in the middle of ${shown(this.#current.name)}`
        : 'without an end marker';
    throw refusal(
      `the archive is cut off: it ends ${where}`,
      'get the whole archive and try again; nothing was imported',
    );
  }

  #take(block: Buffer): void {
    if (this.#awaited === 'extension') this.#takeExtension(block);
    else if (this.#awaited === 'old sparse map') this.#takeOldSparseMap(block, 'extension');
    else if (this.#awaited === 'sparse map') this.#takeSparseMap(block);
    else this.#takeHeader(block);
  }

  #await(what: Awaited, bytes = BLOCK): void {
    this.#awaited = what;
    this.#wanted = bytes;
  }

  #takeHeader(block: Buffer): void {
    if (isZero(block)) {
      if (this.#extensions.pending) {
        throw refusal('the archive ends after an extended header whose entry is missing');
      }
      this.#ended = true;
      this.#first = false;
      this.#awaited = 'end';
      return;
    }
    if (this.#first && !looksLikeHeader(block)) throw notATar(block);
    this.#first = false;
    const header = readHeader(block);
    this.#current = {name: header.name, size: header.size, regions: []};
    if ('xgLKX'.includes(header.type)) {
      if (header.size === 0) throw refusal('the archive has an empty extended header');
      if (header.size > LARGEST_EXTENSION)
        throw refusal(`an extended header of ${header.size} bytes is more than any file needs`);
      this.#extension = header;
      this.#await('extension', padded(header.size));
    } else if (header.type === 'V') {
      // A volume label (tar -V): no entry. tar(1) passes over it.
      this.#skip = padded(header.size);
    } else {
      this.#takeEntry(header, block);
    }
  }

  #takeExtension(block: Buffer): void {
    const {type, size} = this.#extension ?? {type: '', size: 0};
    this.#await('header');
    this.#extensions.add(type, block.subarray(0, size));
  }

  #takeEntry(header: Header, block: Buffer): void {
    const {entry, size, sparse} = this.#extensions.apply(header);
    this.#current = {name: entry.name, size, regions: []};
    this.#onEntry(entry);
    if (sparse === 'old GNU') {
      this.#takeOldSparseMap(block, 'header');
    } else if (sparse === 'map in contents') {
      this.#mapReader = new SparseMapReader();
      this.#takeSparseMapBlock();
    } else if (sparse !== undefined) {
      this.#skipContents(sparse.regions);
    } else {
      this.#skip = padded(size);
      this.#await('header');
    }
  }

  #takeOldSparseMap(block: Buffer, kind: 'header' | 'extension'): void {
    const found = oldGnuRegions(block, kind);
    if (found === undefined) throw refusal(`${shown(this.#current.name)} has a broken sparse map`);
    this.#current.regions.push(...found.regions);
    if (found.more) this.#await('old sparse map');
    else this.#skipContents(this.#current.regions);
  }

  #takeSparseMapBlock(): void {
    if (this.#current.size <= 0) throw refusal(`${shown(this.#current.name)} has a broken sparse map`);
    this.#await('sparse map');
  }

  #takeSparseMap(block: Buffer): void {
    this.#current.size -= BLOCK;
    const regions = this.#mapReader.push(block);
    if (regions === null) throw refusal(`${shown(this.#current.name)} has a broken sparse map`);
    if (regions === undefined) this.#takeSparseMapBlock();
    else this.#skipContents(regions);
  }

  #skipContents(regions: readonly number[]): void {
    const size = Math.max(0, this.#current.size);
    if (!fits(regions, size))
      throw refusal(`the sparse map of ${shown(this.#current.name)} does not fit its size`);
    this.#skip = padded(size);
    this.#await('header');
  }

  /** tar(1) stops at the end marker; more archive after it would be left out without a word. */
  #checkTrailer(rest: Buffer): void {
    if (!isZero(rest)) {
      throw refusal(
        'there is more data after the end of the archive',
        'several archives joined together? Import them one by one',
      );
    }
  }
}

function notATar(head: Buffer): Error {
  const kind = kindOfBytes(head);
  const what =
    kind === undefined ? 'no archive of a kind that can be imported' : `${kind}, which cannot be imported`;
  return refusal(head.length === 0 ? 'the input is empty' : `the input is ${what}`, WANTED);
}

const WANTED =
  'expected a directory or a tar of a root file system: plain, or compressed with gzip, xz or zstd';

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}
