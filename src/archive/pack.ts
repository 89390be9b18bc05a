/** Root file system archives out. */
import {closeSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, statSync} from 'node:fs';
import {basename, dirname, join, resolve} from 'node:path';
import type {Writable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {ChrootctlError, errnoOf, toChrootctlError} from '../errors.ts';
import {syncDirectory, temporaryBeside} from '../system/files.ts';
import {stoppable} from '../system/interruption.ts';
import {lastLine, notStarted} from '../system/process.ts';
import {BROKEN_PIPE, isFull, type Ended} from './child.ts';
import type {Compression} from './compression.ts';
import {startPacking} from './enclosure.ts';

export type {Compression} from './compression.ts';

export interface PackOptions {
  compression: Compression;
  /** Stops the work; its reason is what is thrown then. */
  signal?: AbortSignal | undefined;
}

/** -n: neither name nor time in the header, so that equal trees make equal archives. */
const COMPRESSORS: Record<Compression, string | undefined> = {
  none: undefined,
  gzip: 'gzip -n',
  xz: 'xz -T0',
  zstd: 'zstd -q -T0',
};

/**
 * Packs the tree at `directory` as a tar (POSIX.1-2001 pax), the same bytes for the same tree: names in order, numeric
 * owners, no times of access. What unpackRoot keeps is in it; other file systems mounted below are not.
 *
 * A file `out` appears complete and durable or not at all, readable by its owner only (there are password hashes in
 * a root); a device or pipe is written to as it is. A stream is left open.
 * @throws ChrootctlError FAILED when the disk is full, the reader went away or a file cannot be read;
 *   NOT_FOUND, NOT_PERMITTED, USAGE for `out`
 */
export async function packRoot(
  directory: string,
  out: Writable | string,
  options: PackOptions,
): Promise<void> {
  const compressor = COMPRESSORS[options.compression];
  if (typeof out !== 'string') return packIntoStream(directory, out, compressor, options.signal);
  const existing = statSync(out, {throwIfNoEntry: false});
  if (existing?.isDirectory() === true) {
    throw new ChrootctlError('USAGE', `${out} is a directory`, {
      hint: 'give the name of a file, or - for standard output',
    });
  }
  if (existing !== undefined && !existing.isFile())
    return packIntoFile(directory, out, 'w', compressor, options.signal);
  const final = existing === undefined ? resolve(out) : realpathSync(out);
  const temporary = temporaryBeside(join(dirname(final), `.${basename(final)}`));
  try {
    await packIntoFile(directory, temporary, 'wx', compressor, options.signal);
    renameSync(temporary, final);
  } catch (error) {
    rmSync(temporary, {force: true});
    throw error;
  }
  syncDirectory(dirname(final));
}

async function packIntoFile(
  directory: string,
  path: string,
  flags: 'w' | 'wx',
  compressor: string | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const fd = openToWrite(path, flags);
  try {
    const tar = startPacking(directory, fd, compressor);
    check(await stoppable(tar.ended, signal, () => tar.kill()), compressor);
    if (flags === 'wx') fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

async function packIntoStream(
  directory: string,
  out: Writable,
  compressor: string | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const tar = startPacking(directory, 'pipe', compressor);
  try {
    await stoppable(pipeline(tar.stdout, out, {end: false}), signal, () => tar.cutOff());
  } catch (error) {
    tar.cutOff();
    await tar.ended;
    if (signal?.aborted === true) throw error;
    throw errnoOf(error) === 'EPIPE' ? readerGone(error) : toChrootctlError(error);
  }
  check(await tar.ended, compressor);
}

function openToWrite(path: string, flags: string): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw toChrootctlError(error);
    throw new ChrootctlError('NOT_FOUND', `there is no directory ${dirname(path)}`, {
      hint: 'make it first',
      cause: error,
    });
  }
}

function check({code, stderr}: Ended, compressor: string | undefined): void {
  if (code === 0) return;
  const program = compressor?.split(' ')[0];
  if (program !== undefined && new RegExp(`${program}: (command )?not found`).test(stderr)) {
    throw notStarted(program, new Error(lastLine(stderr)));
  }
  // A full disk comes first: the programs before the one that meets it see a broken pipe.
  if (!isFull(stderr) && (code === BROKEN_PIPE || stderr.includes('Broken pipe')))
    throw readerGone(undefined);
  const line =
    stderr.split('\n').find((text) => (isFull(stderr) ? isFull(text) : text.includes(': Cannot '))) ??
    lastLine(stderr);
  throw new ChrootctlError('FAILED', `the tree cannot be packed: ${line}`, {
    ...(isFull(stderr) ? {hint: 'free some space where the archive is to be, or choose another place'} : {}),
  });
}

function readerGone(cause: unknown): ChrootctlError {
  return new ChrootctlError('FAILED', 'the reader of the archive went away before its end (broken pipe)', {
    hint: 'what it has got is incomplete',
    cause,
  });
}
