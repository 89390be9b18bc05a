/**
 * Where sbuild's mode unshare looks for roots. It is a user's own directory: whatever is done in it is done with his rights, so
 * that no link in it leads root anywhere.
 */
import {lstatSync, readdirSync, readFileSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import * as v from 'valibot';
import {afterwards, ChrootctlError, errnoOf, remedyIn} from '../errors.ts';
import {sudoCaller} from '../session/caller.ts';
import {Child} from '../system/child.ts';
import {isAbandoned, temporaryBeside} from '../system/files.ts';
import {lastLine, run} from '../system/programs.ts';
import {ownHome} from '../system/user.ts';
import type {Target} from './target.ts';

/** Which version a tarball is of, as long as that is the file that was written. */
const Note = v.object({image: v.string(), version: v.string(), file: v.string()});

const RECEIVE = 'umask 077 && set -C && cat >"$1" && sync -- "$1"';
const WRITE_NOTE = 'umask 077 && printf "%s\\n" "$2" >"$1.tmp" && mv -T -- "$1.tmp" "$1"';

/** Beside the tarball. sbuild takes whatever begins with the tarball's name. */
function noteOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.chrootctl`);
}

export class Cache {
  readonly directory: string;
  /** Words before those of a program that works in it. */
  readonly #asOwner: readonly string[];

  /** That of our caller: behind sudo it is the one who called sudo, since it is he who calls sbuild. */
  constructor() {
    const caller = sudoCaller();
    const home = process.env['XDG_CACHE_HOME'] ?? '';
    this.directory = join(home === '' ? join(caller?.home ?? ownHome(), '.cache') : home, 'sbuild');
    this.#asOwner =
      caller === undefined
        ? []
        : ['setpriv', `--reuid=${caller.uid}`, `--regid=${caller.gid}`, '--init-groups', '--'];
  }

  pathOf({dist, architecture}: Target): string {
    return join(this.directory, `${dist}-${architecture}.tar.zst`);
  }

  /** Others that sbuild may take instead: it takes the first that it comes upon. */
  rivalsOf(path: string): string[] {
    const stem = basename(path, '.tar.zst');
    return this.#names().filter((name) => name.startsWith(`${stem}.t`) && name !== basename(path));
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
      const note = {image, version: id, file: identityOf(temporary) ?? ''};
      // First: until the tarball is in place it is a note of another file.
      await this.#run('sh', '-c', WRITE_NOTE, 'sh', noteOf(path), JSON.stringify(note));
      await this.#run('mv', '-T', '--', temporary, path);
    } catch (error) {
      throw await afterwards(error, () => this.#run('rm', '-f', '--', temporary));
    }
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

/** A file, and no link, as we have written it. */
function readPlain(path: string): string | undefined {
  const stats = lstatSync(path, {throwIfNoEntry: false});
  return stats?.isFile() === true && stats.size < 4096 ? readFileSync(path, 'utf8') : undefined;
}
