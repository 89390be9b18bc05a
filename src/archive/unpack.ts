/** Root file system archives in. */
import {chmodSync} from 'node:fs';
import {ChrootctlError, remedyIn} from '../errors.ts';
import {lastLine} from '../system/programs.ts';
import {ArchiveCheck, checkFile, type Unpacked} from './check.ts';
import {isFull, type Child, type Ended} from '../system/child.ts';
import {deathOf} from '../system/death.ts';
import {startExtracting} from './confined-tar.ts';
import {isOfBuilders, refusalOf} from '../system/refusal.ts';
import {refusal} from './refusal.ts';
import {stoppable} from '../system/interruption.ts';
import {closeSource, openSource, type Opened, type Source, type TarStream} from './source.ts';

export type {Unpacked} from './check.ts';
export type {Source} from './source.ts';

export interface UnpackOptions {
  /** Called for each piece of the archive with what has been read so far. */
  onProgress?: (soFar: Unpacked) => void;
  /** Called with one line for each thing that could not be kept, such as attributes that the file system lacks. */
  onWarning?: (line: string) => void;
  /** Stops the work; its reason is what is thrown then. */
  signal?: AbortSignal | undefined;
  /** The most bytes that the archive may have once decompressed. Default: no limit. */
  maxSize?: number;
}

/**
 * Unpacks the root file system `source` (see Source) into `directory`, which exists and is empty. Every header is checked
 * before tar(1) gets to see it, and tar(1) itself can write nowhere but into `directory`. When this throws, what is in
 * `directory` is worthless; nothing runs any more that could write into it.
 *
 * Kept: modes, numeric owners, times, hard links, holes, devices, ACLs, attributes in `user.` and file capabilities.
 * Left out: attributes in `trusted.`, other `security.` ones (labels belong to the host's policy), sockets.
 * @throws ChrootctlError BAD_INPUT for a corrupt, hostile or unknown archive; NOT_FOUND, NOT_PERMITTED for the source;
 *   FAILED when the disk is full or a program is missing
 */
export async function unpackRoot(
  source: Source,
  directory: string,
  options: UnpackOptions = {},
): Promise<Unpacked> {
  if (typeof source === 'string') return unpackFrom(source, directory, options);
  // A stream may never say another word: its end is the way to stop waiting for one.
  return stoppable(unpackFrom(source, directory, options), options.signal, () => source.destroy());
}

async function unpackFrom(source: Source, directory: string, options: UnpackOptions): Promise<Unpacked> {
  const opened = await openSource(source);
  try {
    return await unpackOpened(opened, directory, options);
  } finally {
    closeSource(opened);
  }
}

/** The same for a source that is open already; whoever opened it closes it. */
export async function unpackOpened(
  opened: Opened,
  directory: string,
  options: UnpackOptions,
): Promise<Unpacked> {
  // For archives without an entry for the root itself.
  chmodSync(directory, 0o755);
  return 'fd' in opened
    ? unpackFile(opened.fd, directory, options)
    : unpackStream(opened, directory, options);
}

/** A tar on disk: its headers are read first, then tar(1) gets the file itself. */
async function unpackFile(fd: number, directory: string, options: UnpackOptions): Promise<Unpacked> {
  const check = new ArchiveCheck(options.maxSize);
  await checkFile(fd, check, options.signal);
  options.onProgress?.(check.soFar);
  const tar = startExtracting(directory, fd);
  accept(await stoppable(tar.ended, options.signal, () => tar.kill()), options);
  return check.soFar;
}

/** Anything else: tar(1) gets each piece after it has been checked. */
async function unpackStream(stream: TarStream, directory: string, options: UnpackOptions): Promise<Unpacked> {
  const tar = startExtracting(directory, 'pipe');
  try {
    return await stoppable(extract(), options.signal, () => {
      tar.cutOff();
      stream.cancel();
    });
  } catch (error) {
    tar.cutOff();
    stream.cancel();
    await tar.ended.catch(() => undefined);
    throw error;
  }

  async function extract(): Promise<Unpacked> {
    const unpacked = await passOn(stream, tar, options);
    tar.stdin.end();
    accept(await tar.ended, options);
    return unpacked;
  }
}

async function passOn(stream: TarStream, tar: Child, options: UnpackOptions): Promise<Unpacked> {
  const check = new ArchiveCheck(options.maxSize);
  for await (const chunk of stream.chunks) {
    check.write(chunk);
    if (!(await tar.feed(chunk))) {
      // It has ended before its input: with an error, which is to be told rather than what follows from it.
      accept(await tar.ended, options);
      throw new ChrootctlError('FAILED', 'tar ended before its input did');
    }
    options.onProgress?.(check.soFar);
  }
  // Before the check's own end: of a stream that broke off, why is to be told.
  for (const line of await stream.finished()) options.onWarning?.(line);
  return check.end();
}

/** @throws ChrootctlError when tar(1) failed */
function accept({code, stderr}: Ended, options: UnpackOptions): void {
  if (isFull(stderr)) {
    const line = stderr.split('\n').find(isFull) ?? '';
    throw new ChrootctlError('FAILED', `no space left on the store's file system (${line})`, {
      hint: 'free some space (chrootctl prune, chrootctl gc) and try again; nothing was imported',
    });
  }
  if (code !== 0) throw deathOf('the archive is not unpacked', {code, stderr}) ?? failure(stderr);
  for (const line of stderr.split('\n')) if (line !== '') options.onWarning?.(line);
}

function failure(stderr: string): ChrootctlError {
  const lines = stderr.trimEnd().split('\n');
  // The last line only says that there was an error.
  const line =
    lines.find((text) => /: Cannot |Unexpected EOF|: Skipping to next header/.test(text)) ?? lastLine(stderr);
  if (isOfBuilders(stderr)) {
    const failing = 'tar cannot be shut in';
    return refusalOf(failing, stderr) ?? new ChrootctlError('FAILED', `${failing}: ${line}`);
  }
  const notAllowed = refusalOf('the archive cannot be unpacked', line);
  if (notAllowed !== undefined) return notAllowed;
  const hint = remedyIn(line);
  if (hint !== undefined || line.includes('Read-only file system'))
    return new ChrootctlError('FAILED', line, {hint});
  return refusal(`the archive cannot be unpacked (${line})`);
}
