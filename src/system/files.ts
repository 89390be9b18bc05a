/**
 * Durable file operations. A file that must survive a power cut is written beside its place, flushed, renamed
 * over it, and the directory is flushed too: rename(2) is atomic, but only fsync(2) of the directory makes it last.
 */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import {dirname} from 'node:path';
import {ChrootctlError, errnoOf, messageOf} from '../errors.ts';
import {isAlive, self, sharesNamespaces} from './identity.ts';

let temporaries = 0;

/** Name of a temporary beside `path`, which says whose it is: see `isAbandoned`. */
export function temporaryBeside(path: string): string {
  const {pid, started, boot, namespace, time = ''} = self();
  const writer = [pid, started, numberOf(namespace), numberOf(time), boot.replaceAll('-', '')].join('-');
  return `${path}.${writer}.${temporaries++}.tmp`;
}

/** Pid, start, number of the pid namespace and of the time namespace, boot. */
const WRITER =
  /\.(\d+)-(\d+)-(\d+)-(\d*)-([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})\.\d+\.tmp$/;

/** A temporary this old has no writer any more, where its name (before 0.3) or its namespace tells of none. */
const YOUNG_MS = 60_000;

/**
 * Whether a temporary may be deleted. One who was stopped, or waits for a disk, goes on some day: whether he lives can be told
 * in our own namespaces. Of files of others age has to do; who misses one writes it again (`writeBeside`).
 */
export function isAbandoned(temporary: string): boolean {
  const [, pid, started = '', namespace = '', time = '', ...boot] = WRITER.exec(temporary) ?? [];
  if (pid === undefined) return isOld(temporary);
  const writer = {
    pid: Number(pid),
    started,
    boot: boot.join('-'),
    namespace: `pid:[${namespace}]`,
    ...(time === '' ? {} : {time: `time:[${time}]`}),
  };
  if (sharesNamespaces(writer)) return !isAlive(writer);
  return statSync(temporary, {throwIfNoEntry: false})?.isFile() === true && isOld(temporary);
}

/** Whether it has not changed for so long that who made it is done with it, or dead. */
export function isOld(path: string): boolean {
  const stat = statSync(path, {throwIfNoEntry: false});
  return stat !== undefined && Date.now() - stat.ctimeMs > YOUNG_MS;
}

function numberOf(namespace: string): string {
  return namespace.replace(/\D/g, '');
}

/** Runs `work` on an open file of that path, which an error of the system then names, as those of Node for a path do. */
export function naming<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const {code, errno, syscall, path: known} = error as NodeJS.ErrnoException;
    if (errnoOf(error) === undefined || known !== undefined) throw error;
    throw Object.assign(new Error(`${messageOf(error)} '${path}'`, {cause: error}), {
      code,
      errno,
      syscall,
      path,
    });
  }
}

/** A file that is replaced: everybody sees the new one, but whether a power cut brings the old one back is not known. */
export class Unconfirmed extends ChrootctlError {
  constructor(path: string, cause: unknown) {
    super('FAILED', `the disk has not confirmed ${path}: ${messageOf(cause)}`, {
      hint: 'look at the disk (dmesg): after a power cut the state before may be back',
      cause,
    });
  }
}

const MOST_TRIES = 20;

/**
 * Writes a temporary and renames it to `path`. Who was stopped in between and finds it collected when he goes on writes
 * another one.
 */
function writeBeside(path: string, write: (temporary: string) => void): void {
  for (let tries = 1; ; tries++) {
    const temporary = temporaryBeside(path);
    try {
      write(temporary);
      renameSync(temporary, path);
      return;
    } catch (error) {
      rmSync(temporary, {force: true});
      if (errnoOf(error) !== 'ENOENT' || tries === MOST_TRIES || !isThere(dirname(path))) throw error;
    }
  }
}

/**
 * Replaces `path` atomically and durably: afterwards it holds all of `content`, whatever happens to the machine.
 * @throws Unconfirmed when it is replaced, but may not last; after any other error it is as it was
 */
export function writeDurably(path: string, content: string, mode = 0o644): void {
  writeBeside(path, (temporary) => writeNew(temporary, content, {durable: true, mode, called: path}));
  try {
    syncDirectory(dirname(path));
  } catch (error) {
    throw new Unconfirmed(path, error);
  }
}

interface NewFile {
  /** Its content is on the disk afterwards; its name may not be. */
  durable: boolean;
  mode?: number;
  /** The path that errors are to name. */
  called?: string;
}

/** Writes a file that is not there yet. */
export function writeNew(
  path: string,
  content: string,
  {durable, mode = 0o644, called = path}: NewFile,
): void {
  const fd = openSync(path, 'wx', mode);
  try {
    // Not writeSync: on a disk that is nearly full that writes a part and calls it a success.
    naming(called, () => {
      writeFileSync(fd, content);
      if (durable) fsyncSync(fd);
    });
  } finally {
    closeSync(fd);
  }
}

/** Replaces `path` atomically, without waiting for the disk: for what need not outlive the machine. */
export function writeAtomically(path: string, content: string, mode = 0o644): void {
  writeBeside(path, (temporary) => writeNew(temporary, content, {durable: false, mode, called: path}));
}

/** Whether something is at `path`. Where the disk does not tell, that is an error; existsSync() would say no. */
export function isThere(path: string): boolean {
  try {
    return statSync(path, {throwIfNoEntry: false}) !== undefined;
  } catch (error) {
    if (isAbsence(error)) return false;
    throw error;
  }
}

/** Names in a directory; none when it is not there. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Makes renames, creations and removals inside `directory` durable. */
export function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    naming(directory, () => fsyncSync(fd));
  } finally {
    closeSync(fd);
  }
}

/** Makes one directory, with this mode whatever the umask. */
export function makeDirectory(directory: string, mode = 0o755): void {
  mkdirSync(directory);
  chmodSync(directory, mode);
}

/**
 * Runs `write`, and once more where `directory` is missing, which is made then: an empty directory is what backups and
 * people leave out. Nothing that was in it is missed here; others look for that.
 */
export function inDirectory<T>(directory: string, write: () => T, mode = 0o700): T {
  try {
    return write();
  } catch (error) {
    if (!isAbsence(error) || isDirectory(directory)) throw error;
    if (lstatSync(directory, {throwIfNoEntry: false}) !== undefined) throw notADirectory(directory);
    mkdirSync(directory, {recursive: true, mode});
    return write();
  }
}

/** Whether the error says that there is nothing of that name. */
function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '');
}

/** Whether a directory is there, be it behind a symbolic link. */
export function isDirectory(path: string): boolean {
  // Not join(), which takes the dot away.
  return isThere(`${path}/.`);
}

/** Something else is where a directory of the store should be, or a symbolic link to nowhere. */
export function notADirectory(path: string): ChrootctlError {
  return new ChrootctlError('BAD_INPUT', `${path} is damaged: it is no directory`, {
    hint: 'chrootctl doctor --fix sets it aside, and makes the directory again',
  });
}

/** Makes `directory` and what leads to it, each step durable. */
export function makeDirectoryDurably(directory: string, mode = 0o755): void {
  const made = mkdirSync(directory, {recursive: true, mode});
  if (made !== undefined) syncDirectory(dirname(made));
}

/** The text of a file, or undefined where there is none. */
export function readIfExists(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The same of a record. @throws ChrootctlError BAD_INPUT for what is no file, or one that the disk does not give back */
export function readText(path: string): string | undefined {
  try {
    return readIfExists(path);
  } catch (error) {
    if (!DAMAGED.has(errnoOf(error) ?? '')) throw error;
    throw new ChrootctlError('BAD_INPUT', `${path} is damaged: ${messageOf(error)}`, {
      hint: 'chrootctl doctor tells what is affected, and --fix mends what it can; else restore the file from a backup',
      cause: error,
    });
  }
}

/** What tells of the file itself, and not of who reads it or of the machine. */
const DAMAGED: ReadonlySet<string> = new Set(['EISDIR', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EIO']);

/** Whether a power cut took the end or the middle of a JSON record of ours that nobody had waited for. */
export function isTorn(text: string): boolean {
  return !text.endsWith('}\n') || text.includes('\0');
}

/**
 * Keeps what is at `path`, if anything is, beside it under a name that nobody reads. A file stays where it is too, for
 * whoever puts another in its place; anything else makes room.
 */
export function setAside(path: string): void {
  const stat = lstatSync(path, {throwIfNoEntry: false});
  if (stat === undefined) return;
  let aside = `${path}.damaged`;
  for (let count = 1; isThere(aside); count++) aside = `${path}.damaged-${count}`;
  if (stat.isFile()) linkSync(path, aside);
  else renameSync(path, aside);
}

/** Removes one file; says whether it was there. */
export function removeIfExists(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (isAbsence(error)) return false;
    // Said of what is not there, too.
    if (errnoOf(error) === 'EROFS' && !isThere(path)) return false;
    throw error;
  }
}
