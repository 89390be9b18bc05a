/** Where a root file system comes from, as one stream of plain tar. What it is shows in its first bytes, not its name. */
import {closeSync, createReadStream, fstatSync, openSync, readSync} from 'node:fs';
import {Readable} from 'node:stream';
import {createGunzip} from 'node:zlib';
import {ChrootctlError, errnoOf, messageOf, toChrootctlError} from '../errors.ts';
import {lastLine} from '../system/programs.ts';
import {isOfBuilders, refusalOf} from '../system/refusal.ts';
import {moreRights} from '../system/rights.ts';
import {Child, type Ended} from '../system/child.ts';
import {deathOf} from '../system/death.ts';
import {compressionOfBytes, type Compression} from './compression.ts';
import {startPacking} from './confined-tar.ts';
import {refusal} from './refusal.ts';

/** A path (of a directory, a tar, or anything that can be read, such as a named pipe), or a stream. */
export type Source = string | Readable;

/** A file on disk that is not compressed. */
export interface TarFile {
  fd: number;
}

export interface TarStream {
  chunks: AsyncIterable<Buffer>;
  /** Whether what made the stream ended well; to be asked after its end. Returns its warnings. */
  finished(): Promise<string[]>;
  cancel(): void;
}

export type Opened = TarFile | TarStream;

/** Large reads: the reader's work is per header, the rest is per chunk. */
const CHUNK = 256 * 1024;
const HEAD = 8;

const DECOMPRESSORS = {
  // -T0: blocks side by side, where xz(1) made more than one.
  xz: ['--decompress', '--stdout', '--quiet', '--threads=0'],
  zstd: ['--decompress', '--stdout', '--quiet'],
} as const;

/**
 * To be closed with closeSource().
 * @throws ChrootctlError NOT_FOUND, NOT_PERMITTED, FAILED when a decompressor is not installed
 */
export async function openSource(source: Source): Promise<Opened> {
  if (typeof source !== 'string') return openStream(source);
  const fd = openToRead(source);
  const kind = fstatSync(fd);
  if (kind.isDirectory()) {
    closeSync(fd);
    return fromDirectory(source);
  }
  // A pipe or device: its first bytes cannot be read twice.
  if (!kind.isFile()) return openStream(createReadStream('', {fd, highWaterMark: CHUNK}));
  const head = Buffer.alloc(HEAD);
  const length = readSync(fd, head, 0, HEAD, 0);
  const compression = compressionOfBytes(head.subarray(0, length));
  if (compression === 'none') return {fd};
  if (compression === 'xz' || compression === 'zstd') {
    const child = startDecompressing(compression, fd);
    closeSync(fd);
    return fromDecompressor(compression, child);
  }
  return decompressed(compression, createReadStream('', {fd, start: 0, highWaterMark: CHUNK}));
}

export function closeSource(opened: Opened): void {
  if ('fd' in opened) closeSync(opened.fd);
  else opened.cancel();
}

/** The first bytes, at most `length`, and the source as if nothing had been read of it. */
export async function peek(opened: Opened, length: number): Promise<{head: Buffer; opened: Opened}> {
  if ('fd' in opened) {
    const head = Buffer.alloc(length);
    return {head: head.subarray(0, readSync(opened.fd, head, 0, length, 0)), opened};
  }
  const {head, rest} = await beginningOf(opened.chunks, length);
  return {head: head.subarray(0, length), opened: {...opened, chunks: rest}};
}

/** All of a file as chunks. */
export function chunksOf(opened: Opened): TarStream {
  if (!('fd' in opened)) return opened;
  const stream = createReadStream('', {fd: opened.fd, start: 0, autoClose: false, highWaterMark: CHUNK});
  return fromReadable(stream, stream, (error) => toChrootctlError(error));
}

async function beginningOf(
  stream: AsyncIterable<Buffer>,
  length: number,
): Promise<{head: Buffer; rest: AsyncGenerator<Buffer>}> {
  const chunks = stream[Symbol.asyncIterator]();
  const parts: Buffer[] = [];
  for (let have = 0; have < length; have += parts.at(-1)?.length ?? 0) {
    const next = await chunks.next();
    if (next.done === true) break;
    parts.push(Buffer.from(next.value));
  }
  return {head: Buffer.concat(parts), rest: joined(parts, chunks)};
}

function openToRead(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') {
      throw new ChrootctlError('NOT_FOUND', `there is no ${path}`, {
        hint: 'give a directory, a tar of a root file system, or - for standard input',
        cause: error,
      });
    }
    if (errnoOf(error) === 'EACCES' || errnoOf(error) === 'EPERM') {
      throw new ChrootctlError('NOT_PERMITTED', `${path} cannot be read`, {
        hint: moreRights(),
        cause: error,
      });
    }
    throw toChrootctlError(error);
  }
}

function startDecompressing(compression: keyof typeof DECOMPRESSORS, stdin: 'pipe' | number): Child {
  return new Child(compression, DECOMPRESSORS[compression], [stdin, 'pipe']);
}

async function openStream(stream: Readable): Promise<TarStream> {
  const chunks = stream as AsyncIterable<Buffer>;
  const {head, rest} = await beginningOf(chunks, HEAD).catch((error: unknown) => {
    throw toChrootctlError(error);
  });
  const whole = Readable.from(rest, {objectMode: false, highWaterMark: CHUNK});
  return decompressed(compressionOfBytes(head), whole);
}

async function* joined(head: readonly Buffer[], rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield* head;
  yield* {[Symbol.asyncIterator]: () => rest};
}

function decompressed(compression: Compression, stream: Readable): TarStream {
  if (compression === 'none') return fromReadable(stream, stream, (error) => toChrootctlError(error));
  if (compression === 'gzip') {
    // In this process: about a third faster than gzip(1).
    const gunzip = createGunzip({chunkSize: CHUNK});
    stream.once('error', (error) => gunzip.destroy(error));
    return fromReadable(stream, stream.pipe(gunzip), (error) =>
      errnoOf(error) === undefined ? corrupt('gzip', messageOf(error)) : toChrootctlError(error),
    );
  }
  const child = startDecompressing(compression, 'pipe');
  const broken = new Promise<never>((_resolve, reject) => stream.once('error', reject));
  broken.catch(() => child.cutOff());
  stream.pipe(child.stdin);
  const opened = fromDecompressor(compression, child);
  return {
    ...opened,
    finished: () =>
      stream.errored === null ? opened.finished() : Promise.reject(toChrootctlError(stream.errored)),
    cancel: () => {
      stream.destroy();
      opened.cancel();
    },
  };
}

function fromReadable(
  input: Readable,
  output: Readable,
  explained: (error: unknown) => ChrootctlError,
): TarStream {
  return {
    chunks: explaining(output, explained),
    finished: () => Promise.resolve([]),
    cancel: () => {
      input.destroy();
      output.destroy();
    },
  };
}

async function* explaining(
  stream: AsyncIterable<Buffer>,
  explained: (error: unknown) => ChrootctlError,
): AsyncGenerator<Buffer> {
  const chunks = stream[Symbol.asyncIterator]();
  for (;;) {
    const next = await chunks.next().catch((error: unknown) => {
      throw explained(error);
    });
    if (next.done === true) return;
    yield next.value;
  }
}

function fromDecompressor(compression: Compression, child: Child): TarStream {
  return fromChild(
    child,
    (stderr, code) =>
      deathOf(`the ${compression} compressed input is not read`, {code, stderr}) ??
      corrupt(compression, lastLine(stderr)),
  );
}

function fromDirectory(directory: string): TarStream {
  return fromChild(startPacking(directory, 'pipe'), (stderr, code) =>
    // tar(1) ends with 1 when files changed or vanished under it, as in the root of a running system.
    code === 1 && !isOfBuilders(stderr) ? undefined : unreadable(directory, {code, stderr}),
  );
}

function unreadable(directory: string, {code, stderr}: Ended): ChrootctlError {
  const failing = `${directory} cannot be read`;
  const death = deathOf(failing, {code, stderr});
  if (death !== undefined) return death;
  const line = stderr.split('\n').find((text) => text.includes(': Cannot ')) ?? lastLine(stderr);
  return refusalOf(failing, stderr) ?? new ChrootctlError('FAILED', `${failing}: ${line}`);
}

function fromChild(child: Child, failure: (stderr: string, code: number) => Error | undefined): TarStream {
  return {
    chunks: child.stdout as AsyncIterable<Buffer>,
    finished: async () => {
      const {code, stderr} = await child.ended;
      const error = code === 0 ? undefined : failure(stderr, code);
      if (error !== undefined) throw error;
      return stderr.split('\n').filter((line) => line !== '');
    },
    cancel: () => child.cutOff(),
  };
}

function corrupt(compression: Compression, why: string): ChrootctlError {
  return refusal(`the ${compression} compressed input is corrupt or cut off (${why})`);
}
