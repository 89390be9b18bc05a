/**
 * Where sbuild's mode unshare looks for roots. It is a user's own directory: whatever is written in it is written with his
 * rights, so that no link in it leads root anywhere.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import * as v from 'valibot';
import {afterwards, ChrootctlError, errnoOf, remedyIn} from '../errors.ts';
import {sudoCaller} from '../session/caller.ts';
import {Child} from '../system/child.ts';
import {isAbandoned, temporaryBeside} from '../system/files.ts';
import {lastLine, run} from '../system/programs.ts';
import {entryOf, ownHome} from '../system/user.ts';
import type {Target} from './target.ts';

/** Which version a tarball is of, as long as that is the file that was written. */
const Note = v.object({image: v.string(), version: v.string(), file: v.string()});

/** None of them writes through a link. */
const RECEIVE = 'umask 077 && set -C && cat >"$1" && sync -- "$1"';
const WRITE_NOTE =
  'umask 077 && set -C && rm -f -- "$1.new" && printf "%s\\n" "$2" >"$1.new" && mv -T -- "$1.new" "$1"';

const SUFFIX = '.tar.zst';

/** sbuild makes a new root in the place of one that is older than a week, where it is a newer one and has mmdebstrap. */
const OLD_MS = 24 * 3600 * 1000;

/** Beside the tarball, by a name that sbuild takes for none. */
function noteOf(path: string): string {
  return join(dirname(path), `.${basename(path, SUFFIX)}.chrootctl`);
}

export class Cache {
  readonly directory: string;
  /** Words before those of a program that works in it. */
  readonly #asOwner: readonly string[];

  /**
   * That of our caller: behind sudo it is the one who called sudo, since it is he who calls sbuild.
   * @throws ChrootctlError FAILED for one of whom the host knows no home
   */
  constructor() {
    const caller = sudoCaller();
    const {SUDO_UID: uid = '0', XDG_CACHE_HOME: given = ''} = process.env;
    if (caller === undefined && process.geteuid?.() === 0 && uid !== '0')
      throw new ChrootctlError('FAILED', `this host knows no user with the number ${uid}, who called sudo`, {
        hint: 'unset SUDO_UID to write it for root',
      });
    const base = given === '' ? join(caller?.home ?? ownHome(), '.cache') : given;
    this.directory = join(base, 'sbuild');
    this.#asOwner = asOther(caller ?? ownerOf(base));
  }

  pathOf({dist, architecture}: Target): string {
    return join(this.directory, `${dist}-${architecture}${SUFFIX}`);
  }

  /** Others that sbuild may take instead: some names it looks for first, and of one name it takes what it comes upon. */
  rivalsOf(path: string, {dist, architecture}: Target): string[] {
    const stems = [`${dist}-${architecture}-sbuild`, `${dist}-sbuild`, `${dist}-${architecture}`];
    return this.#names().filter(
      (name) => name !== basename(path) && stems.some((stem) => name.startsWith(`${stem}.t`)),
    );
  }

  /** Whether the tarball is of this version, and nobody has changed it since. */
  holds(path: string, {image, id}: {image: string; id: string}): boolean {
    const text = readPlain(noteOf(path));
    const file = identityOf(path);
    if (text === undefined || file === undefined) return false;
    const note = v.safeParse(v.pipe(v.string(), v.parseJson(), Note), text);
    return (
      note.success && note.output.image === image && note.output.version === id && note.output.file === file
    );
  }

  /**
   * Has `write` write a new tarball, which is in place when all of it is on the disk, or not at all.
   * @param write gets a program that takes it on its standard input
   */
  async replace(
    path: string,
    {image, id}: {image: string; id: string},
    write: (receiver: Child) => Promise<void>,
  ): Promise<void> {
    await this.#run('mkdir', '-p', '--', this.directory);
    await this.#sweep(path);
    const temporary = temporaryBeside(join(this.directory, `.${basename(path)}`));
    try {
      await this.#receive(temporary, write);
      // First: until the tarball is in place it is a note of another file.
      await this.#note(path, temporary, {image, id});
      await this.#run('mv', '-T', '--', temporary, path);
    } catch (error) {
      throw await afterwards(error, () => this.#run('rm', '-f', '--', temporary));
    }
  }

  /** Nobody need make it anew for its age. */
  async refresh(path: string, {image, id}: {image: string; id: string}): Promise<void> {
    const stats = lstatSync(path, {throwIfNoEntry: false});
    if (stats === undefined || Date.now() - stats.mtimeMs < OLD_MS) return;
    await this.#run('touch', '--no-create', '--', path);
    await this.#note(path, path, {image, id});
  }

  async #note(path: string, file: string, {image, id}: {image: string; id: string}): Promise<void> {
    const note = {image, version: id, file: identityOf(file) ?? ''};
    await this.#run('sh', '-c', WRITE_NOTE, 'sh', noteOf(path), JSON.stringify(note));
  }

  async #receive(path: string, write: (receiver: Child) => Promise<void>): Promise<void> {
    const [file, ...args] = this.#words('sh', '-c', RECEIVE, 'sh', path);
    const receiver = new Child(file, args, ['pipe', 'ignore']);
    try {
      await write(receiver);
      receiver.stdin.end();
    } catch (error) {
      receiver.kill();
      const {stderr} = await receiver.ended;
      // Who writes is told of nothing but a broken pipe.
      throw stderr === '' ? error : failed(path, stderr);
    }
    const {code, stderr} = await receiver.ended;
    if (code !== 0) throw failed(path, stderr);
  }

  /** What writers who died have left. */
  async #sweep(path: string): Promise<void> {
    const left = this.#names()
      .filter((name) => name.startsWith(`.${basename(path)}.`) && name.endsWith('.tmp'))
      .map((name) => join(this.directory, name))
      .filter(isAbandoned);
    if (left.length > 0) await this.#run('rm', '-f', '--', ...left);
  }

  async #run(...words: [string, ...string[]]): Promise<void> {
    const [file, ...args] = this.#words(...words);
    await run(file, args);
  }

  /** A command line, with its owner's rights. */
  #words(...words: [string, ...string[]]): [string, ...string[]] {
    const [first, ...rest] = this.#asOwner;
    return first === undefined ? words : [first, ...rest, ...words];
  }

  #names(): string[] {
    try {
      return readdirSync(this.directory);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }
}

function failed(path: string, why: string): ChrootctlError {
  return new ChrootctlError('FAILED', `cannot write ${dirname(path)}: ${lastLine(why)}`, {
    hint: remedyIn(why),
  });
}

/** The same as long as it is the same file, and nobody writes to it. */
function identityOf(path: string): string | undefined {
  const stats = lstatSync(path, {throwIfNoEntry: false});
  return stats?.isFile() === true ? [stats.ino, stats.size, stats.mtimeMs].join(' ') : undefined;
}

/** A file, and no link, as we have written it: nothing that one waits for. */
function readPlain(path: string): string | undefined {
  const fd = openPlain(path);
  if (fd === undefined) return undefined;
  try {
    const stats = fstatSync(fd);
    return stats.isFile() && stats.size < 4096 ? readFileSync(fd, 'utf8') : undefined;
  } finally {
    closeSync(fd);
  }
}

function openPlain(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** Words before those of a program that is to run as another user than root; none for root. */
function asOther(user: {uid: number; gid: number} | undefined): readonly string[] {
  if (user === undefined || user.uid === 0) return [];
  const {uid, gid} = user;
  const groups = entryOf(uid) === undefined ? '--clear-groups' : '--init-groups';
  return ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, groups, '--'];
}

/** Whose directory root is about to write in. */
function ownerOf(path: string): {uid: number; gid: number} | undefined {
  if (process.geteuid?.() !== 0) return undefined;
  const stats = statSync(path, {throwIfNoEntry: false});
  if (stats !== undefined) return {uid: stats.uid, gid: stats.gid};
  return path === dirname(path) ? undefined : ownerOf(dirname(path));
}
