/**
 * Reading name-value lists as zfs-send(8) writes them: "packed", in the encoding of XDR (RFC 4506), big-endian whatever
 * the machine. Of the many types only numbers, texts and lists are of use here; others are passed over.
 *
 *     list    version, flags; pairs; two words of 0
 *     pair    its size, size in memory, name, type, number of elements, value
 */
import {ChrootctlError} from '../../errors.ts';

export type NvValue = string | bigint | NvList;
export type NvList = ReadonlyMap<string, NvValue>;

/** Encoding (1 is XDR), byte order of the writer, reserved. */
const HEADER = 4;
const XDR = 1;

const UINT64 = 8;
const STRING = 9;
const NVLIST = 19;

/** Lists of ZFS are four deep; a hostile one must not use up our stack. */
const MOST_DEPTH = 16;

/** @throws ChrootctlError BAD_INPUT */
export function parseNvlist(packed: Buffer): NvList {
  if (packed[0] !== XDR) throw damaged('an unknown encoding');
  return new Reader(packed.subarray(HEADER)).list(0);
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  list(depth: number): NvList {
    if (depth > MOST_DEPTH) throw damaged('lists too deep in one another');
    const values = new Map<string, NvValue>();
    this.#take(8);
    for (;;) {
      const begin = this.#at;
      const size = this.#word();
      if (size === 0) {
        this.#word();
        return values;
      }
      this.#word();
      const name = this.#text();
      const value = this.#value(this.#word(), this.#word(), depth);
      if (value === undefined) this.#skipTo(begin + size);
      else values.set(name, value);
    }
  }

  #value(type: number, count: number, depth: number): NvValue | undefined {
    if (count !== 1) return undefined;
    if (type === UINT64) return this.#take(8).readBigUInt64BE();
    if (type === STRING) return this.#text();
    if (type === NVLIST) return this.list(depth + 1);
    return undefined;
  }

  #word(): number {
    return this.#take(4).readUInt32BE();
  }

  #text(): string {
    const length = this.#word();
    const text = this.#take(length).toString('utf8');
    this.#take((4 - (length % 4)) % 4);
    return text;
  }

  #take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw damaged('an early end');
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }

  #skipTo(at: number): void {
    if (at < this.#at) throw damaged('a wrong size');
    this.#take(at - this.#at);
  }
}

function damaged(why: string): ChrootctlError {
  return new ChrootctlError('BAD_INPUT', `the stream's list of properties is damaged: ${why}`, {
    hint: 'nothing was imported; get the stream again',
  });
}
