/** Where an archive goes: a file that appears whole or not at all, a device, a pipe, a stream. */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import {basename, dirname, join, resolve} from 'node:path';
import type {Writable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {isatty} from 'node:tty';
import {afterwards, ChrootctlError, errnoOf, remedyIn, toChrootctlError} from '../errors.ts';
import {deathOf} from '../system/death.ts';
import {BROKEN_PIPE, isFull, type Child, type Ended} from '../system/child.ts';
import {syncDirectory, temporaryBeside, Unconfirmed} from '../system/files.ts';
import {stoppable} from '../system/interruption.ts';
import {lastLine, notStarted} from '../system/programs.ts';
import {refusalOf} from '../system/refusal.ts';

/** A path, the number of an open file, or a stream. */
export type Output = string | number | Writable;

/** A screen has no use for an archive, and may take some of it for orders. @throws ChrootctlError USAGE */
export function refuseTerminal(fd: number, name: string): void {
  if (!isatty(fd)) return;
  throw new ChrootctlError('USAGE', `${name} is a terminal, and an archive is no text`, {
    hint: 'give the name of a FILE, or send it on, as in: chrootctl export REFERENCE - | ssh host …',
  });
}

/** What is asked of a program that writes an archive. */
export type Producer = Pick<Child, 'stdout' | 'ended' | 'cutOff' | 'kill'>;

export interface Production {
  /** Starts what writes the archive to a pipe or an open file. */
  start: (stdout: 'pipe' | number) => Producer;
  /** @throws ChrootctlError when the program did not end well */
  check: (ended: Ended) => void;
  /** Stops the work; its reason is what is thrown then. */
  signal: AbortSignal | undefined;
}

/**
 * A file `out` appears complete and durable or not at all, readable by its owner only; a device or pipe is written to
 * as it is. A stream, and what is open already, is left open.
 * @throws ChrootctlError FAILED when the reader went away; NOT_FOUND, NOT_PERMITTED, USAGE for `out`
 */
export async function writeOutput(out: Output, production: Production): Promise<void> {
  if (typeof out === 'number') return writeAnew(out, production);
  if (typeof out !== 'string') return writeStream(out, production);
  const existing = statSync(out, {throwIfNoEntry: false});
  if (existing?.isDirectory() === true) {
    throw new ChrootctlError('USAGE', `${out} is a directory`, {
      hint: 'give the name of a file, or - for standard output',
    });
  }
  if (existing !== undefined && !existing.isFile()) return writeFile(out, 'w', production);
  const final = existing === undefined ? resolve(out) : realpathSync(out);
  const temporary = temporaryBeside(join(dirname(final), `.${basename(final)}`));
  try {
    await writeFile(temporary, 'wx', production);
    renameSync(temporary, final);
  } catch (error) {
    throw await afterwards(error, () => rmSync(temporary, {force: true}));
  }
  try {
    syncDirectory(dirname(final));
  } catch (error) {
    throw new Unconfirmed(final, error);
  }
}

async function writeFile(path: string, flags: 'w' | 'wx', production: Production): Promise<void> {
  const fd = openToWrite(path, flags);
  try {
    refuseTerminal(fd, path);
    await writeOpen(fd, production);
    if (flags === 'wx') fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * A pipe of our caller's is opened anew for the program that writes. The open file that we have may be set not to wait at any
 * moment (Node does that to its own output when anybody looks at it), and programs take that for an error.
 */
async function writeAnew(fd: number, production: Production): Promise<void> {
  const anew = fstatSync(fd).isFIFO() ? openPipe(fd) : undefined;
  try {
    await writeOpen(anew ?? fd, production);
  } finally {
    if (anew !== undefined) closeSync(anew);
  }
}

/** Without waiting, where nobody reads any more; whoever is started with it does wait. */
function openPipe(fd: number): number | undefined {
  const {O_WRONLY, O_NONBLOCK} = constants;
  try {
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === 'ENXIO') throw readerGone(error);
    // Of another user's, or without /proc: then with what there is.
    return undefined;
  }
}

async function writeOpen(fd: number, {start, check, signal}: Production): Promise<void> {
  const producer = start(fd);
  const ended = await stoppable(producer.ended, signal, () => producer.kill());
  // tar(1) says the same of a reader that went away in the middle of a write as of a disk that got full then.
  if (ended.code !== 0 && isFull(ended.stderr) && isPipe(fd)) throw readerGone(undefined);
  check(ended);
}

function isPipe(fd: number): boolean {
  const kind = fstatSync(fd);
  return kind.isFIFO() || kind.isSocket();
}

async function writeStream(out: Writable, {start, check, signal}: Production): Promise<void> {
  const producer = start('pipe');
  try {
    await stoppable(pipeline(producer.stdout, out, {end: false}), signal, () => producer.cutOff());
  } catch (error) {
    producer.cutOff();
    await producer.ended;
    if (signal?.aborted === true) throw error;
    throw errnoOf(error) === 'EPIPE' ? readerGone(error) : toChrootctlError(error);
  }
  check(await producer.ended);
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

/**
 * @param compressor the command line of one that was there too
 * @param failing what is said of a failure
 * @throws ChrootctlError FAILED, NOT_PERMITTED
 */
export function checkEnded({code, stderr}: Ended, compressor: string | undefined, failing: string): void {
  if (code === 0) return;
  const program = compressor?.split(' ')[0];
  if (program !== undefined && new RegExp(`${program}: (command )?not found`).test(stderr)) {
    throw notStarted(program, new Error(lastLine(stderr)));
  }
  // A full disk comes first: the programs before the one that meets it see a broken pipe.
  if (!isFull(stderr) && (code === BROKEN_PIPE || stderr.includes('Broken pipe')))
    throw readerGone(undefined);
  const death = deathOf(failing, {code, stderr});
  if (death !== undefined) throw death;
  const notAllowed = isFull(stderr) ? undefined : refusalOf(failing, stderr);
  if (notAllowed !== undefined) throw notAllowed;
  const lines = stderr.split('\n');
  // A limit: what tar(1) meets then is what it meets on a full disk.
  const met = lines.find((text) => !isFull(text) && remedyIn(text) !== undefined);
  if (met !== undefined) throw new ChrootctlError('FAILED', `${failing}: ${met}`, {hint: remedyIn(met)});
  const line =
    lines.find((text) => (isFull(stderr) ? isFull(text) : text.includes(': Cannot '))) ?? lastLine(stderr);
  throw new ChrootctlError('FAILED', `${failing}: ${line}`, {
    ...(isFull(stderr) ? {hint: 'free some space where the archive is to be, or choose another place'} : {}),
  });
}

function readerGone(cause: unknown): ChrootctlError {
  return new ChrootctlError('FAILED', 'the reader of the archive went away before its end (broken pipe)', {
    hint: 'what it has got is incomplete',
    cause,
  });
}
