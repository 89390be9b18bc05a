/**
 * How a stream of zfs-send(8) begins (dmu_replay_record in sys/zfs_ioctl.h). It is a row of records of 312 bytes, some
 * with a payload, in the byte order of the machine that wrote it:
 *
 *     without properties     BEGIN … END
 *     with properties        BEGIN (compound; payload: a name-value list) END  BEGIN … END  END
 *
 * The first two records of the latter are for zfs-receive(8) itself; what follows is a stream of the first kind.
 */
import {ChrootctlError} from '../../errors.ts';
import {parseNvlist, type NvList, type NvValue} from './nvlist.ts';

export const RECORD = 312;
const MAGIC = 0x2f5bacbacn;
const MAGIC_AT = 8;
/** As much as is needed to tell what it is. */
export const TELLING = MAGIC_AT + 8;

const BEGIN = 0;
const COMPOUND = 2;
const FILE_SYSTEM = 2;
const FEATURE = {redacted: 1n << 21n, resuming: 1n << 20n, raw: 1n << 24n};
/** Properties of one dataset and its snapshot are far below it. */
const MOST_PAYLOAD = 2 ** 24;

export interface BeginRecord {
  isCompound: boolean;
  /** Goes on where an earlier stream broke off. */
  isResuming: boolean;
  /** Encrypted, as it is on the sender's disk. */
  isRaw: boolean;
  isRedacted: boolean;
  isFileSystem: boolean;
  /** Of the snapshot that is sent. */
  guid: bigint;
  /** Of the snapshot that it builds on; undefined: on none. */
  fromGuid: bigint | undefined;
  /** Full name of the snapshot where it comes from. */
  name: string;
  payloadLength: number;
}

export interface StreamHeader {
  begin: BeginRecord;
  /** User properties of the snapshot. */
  properties: ReadonlyMap<string, string>;
  /** Of the snapshot that the sent dataset is a clone of. */
  originGuid: bigint | undefined;
}

export function isStream(head: Uint8Array): boolean {
  return orderOf(Buffer.from(head)) !== undefined;
}

/** Bytes come in pieces of any size: what has been read ahead is given back by `rest`. */
export class StreamReader {
  readonly #chunks: AsyncIterator<Buffer>;
  #ahead: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Reads up to the beginning of the stream proper. @throws ChrootctlError BAD_INPUT */
  async header(): Promise<StreamHeader> {
    const first = beginOf(await this.#peek(RECORD));
    if (!first.isCompound) return {begin: first, properties: new Map(), originGuid: undefined};
    if (first.payloadLength > MOST_PAYLOAD) throw damaged('its properties are too large');
    const length = RECORD + first.payloadLength + RECORD;
    const list = parseNvlist((await this.#peek(length)).subarray(RECORD, RECORD + first.payloadLength));
    this.#ahead = this.#ahead.subarray(length);
    const begin = beginOf(await this.#peek(RECORD));
    if (begin.isCompound) throw damaged('it has no contents');
    return {begin, ...onlySnapshot(list)};
  }

  /** All that comes after the last header that was read, its record first. */
  async *rest(): AsyncGenerator<Buffer> {
    yield this.#ahead;
    this.#ahead = Buffer.alloc(0);
    yield* {[Symbol.asyncIterator]: () => this.#chunks};
  }

  async #peek(length: number): Promise<Buffer> {
    const parts = [this.#ahead];
    for (let have = this.#ahead.length; have < length; have += parts.at(-1)?.length ?? 0) {
      const next = await this.#chunks.next();
      if (next.done === true) throw damaged('it breaks off in its header');
      parts.push(Buffer.from(next.value));
    }
    this.#ahead = Buffer.concat(parts);
    return this.#ahead.subarray(0, length);
  }
}

/** @throws ChrootctlError BAD_INPUT for what is no BEGIN record */
export function beginOf(record: Buffer): BeginRecord {
  const order = orderOf(record);
  if (order === undefined || record.length < RECORD) throw damaged('a record of another kind comes first');
  const word = (at: number): number =>
    order === 'little' ? record.readUInt32LE(at) : record.readUInt32BE(at);
  const long = (at: number): bigint =>
    order === 'little' ? record.readBigUInt64LE(at) : record.readBigUInt64BE(at);
  if (word(0) !== BEGIN) throw damaged('its first record is no BEGIN');
  const info = long(16);
  const features = info >> 2n;
  const name = record.subarray(56, RECORD);
  return {
    isCompound: Number(info & 3n) === COMPOUND,
    isResuming: (features & FEATURE.resuming) !== 0n,
    isRaw: (features & FEATURE.raw) !== 0n,
    isRedacted: (features & FEATURE.redacted) !== 0n,
    isFileSystem: word(32) === FILE_SYSTEM,
    guid: long(40),
    fromGuid: long(48) || undefined,
    name: name.subarray(0, Math.max(0, name.indexOf(0))).toString('utf8'),
    payloadLength: word(4),
  };
}

function orderOf(head: Buffer): 'little' | 'big' | undefined {
  if (head.length < TELLING) return undefined;
  if (head.readBigUInt64LE(MAGIC_AT) === MAGIC) return 'little';
  return head.readBigUInt64BE(MAGIC_AT) === MAGIC ? 'big' : undefined;
}

/** What `fss` says of the one dataset and the one snapshot that are sent. */
function onlySnapshot(list: NvList): Pick<StreamHeader, 'properties' | 'originGuid'> {
  const datasets = [...nested(list.get('fss')).values()];
  const dataset = nested(datasets[0]);
  const snapshots = [...nested(dataset.get('snaps')).keys()];
  if (datasets.length !== 1 || snapshots.length !== 1) {
    throw new ChrootctlError(
      'BAD_INPUT',
      `the stream holds ${datasets.length} datasets and ${snapshots.length} snapshots of the first`,
      {hint: 'one snapshot makes one version: send it without -R and -I'},
    );
  }
  const properties = nested(nested(dataset.get('snapprops')).get(snapshots[0] ?? ''));
  const origin = dataset.get('origin');
  return {
    properties: new Map(
      [...properties].filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
    ),
    originGuid: typeof origin === 'bigint' && origin !== 0n ? origin : undefined,
  };
}

function nested(value: NvValue | undefined): NvList {
  return value instanceof Map ? (value as NvList) : new Map<string, NvValue>();
}

function damaged(why: string): ChrootctlError {
  return new ChrootctlError('BAD_INPUT', `the zfs stream is damaged: ${why}`, {
    hint: 'nothing was imported; get the stream again',
  });
}
