/**
 * The programs that make the last steps inside, whatever the root holds: the host's own shell, setpriv(1), chroot(1)
 * and env(1) with the dynamic linker and libraries they need, copied once into a directory that is bind-mounted
 * read-only. A root without util-linux, of another distribution or C library works the same.
 *
 * The directory is named after the size and time of everything in it, so an upgrade of the host makes a new one.
 */
import {
  copyFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import {basename, join} from 'node:path';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {readIfExists, writeAtomically} from '../system/files.ts';
import {attempt, notStarted, systemPath} from '../system/programs.ts';

const PROGRAMS = ['sh', 'setpriv', 'chroot', 'env'] as const;

export type Tool = (typeof PROGRAMS)[number];

export interface Toolbox {
  /** On the host. */
  directory: string;
  /** File name of the dynamic linker in it; null when the programs are linked statically. */
  linker: string | null;
}

/** What the index remembers of a file of the host. */
interface Source {
  path: string;
  /** File name in the toolbox. */
  name: string;
  size: number;
  mtimeMs: number;
}

interface Index {
  directory: string;
  linker: string | null;
  sources: Source[];
}

/** One toolbox per process is looked up once. */
const found = new Map<string, Toolbox>();

/**
 * The toolbox in `cacheDirectory`, made when it is missing or the host's files have changed.
 * @throws ChrootctlError FAILED when a program is missing on the host
 */
export async function toolbox(cacheDirectory: string): Promise<Toolbox> {
  const known = found.get(cacheDirectory);
  if (known !== undefined) return known;
  const index = readIndex(cacheDirectory) ?? (await makeToolbox(cacheDirectory));
  const directory = join(cacheDirectory, index.directory);
  const box = {directory, linker: index.linker};
  found.set(cacheDirectory, box);
  return box;
}

/** Where the toolbox is mounted inside. A privileged sandbox has the host's own /dev, in which nothing may be made. */
export function toolboxPlace(privileged: boolean): string {
  return privileged ? '/dev/shm/.chrootctl' : '/dev/.chrootctl';
}

/** The words that run one of the tools inside, the toolbox being at `place`. Messages come in our name. */
export function toolCommand({linker}: Toolbox, place: string, tool: Tool): string[] {
  if (linker === null) return [`${place}/${tool}`];
  // --inhibit-cache: the root's ld.so.cache names libraries of the root (ld.so(8)). musl's linker knows no cache.
  const cache = linker.startsWith('ld-musl') ? [] : ['--inhibit-cache'];
  const library = ['--library-path', place];
  return [`${place}/${linker}`, '--argv0', 'chrootctl', ...cache, ...library, `${place}/${tool}`];
}

function readIndex(cacheDirectory: string): Index | undefined {
  const text = readIfExists(join(cacheDirectory, 'tools.json'));
  if (text === undefined) return undefined;
  const index = parseIndex(text);
  if (index === undefined) return undefined;
  const unchanged = index.sources.every(({path, size, mtimeMs}) => {
    const stats = statSync(path, {throwIfNoEntry: false});
    return stats?.size === size && stats.mtimeMs === mtimeMs;
  });
  const complete =
    statSync(join(cacheDirectory, index.directory, 'sh'), {throwIfNoEntry: false}) !== undefined;
  return unchanged && complete ? index : undefined;
}

/** A cache is only worth what it can be read for: a damaged one counts as none. */
function parseIndex(text: string): Index | undefined {
  try {
    return JSON.parse(text) as Index;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

async function makeToolbox(cacheDirectory: string): Promise<Index> {
  const files = new Map<string, string>();
  let linker: string | null = null;
  for (const program of PROGRAMS) {
    const path = locate(program);
    files.set(program, path);
    for (const library of await librariesOf(path)) {
      files.set(basename(library), library);
      if (/^ld[-.]/.test(basename(library))) linker = basename(library);
    }
  }
  const sources = [...files].map(([name, path]): Source => {
    const {size, mtimeMs} = statSync(path);
    return {path, name, size, mtimeMs};
  });
  // Loaded here, where it is seldom needed: node:crypto is slow to load.
  const {createHash} = await import('node:crypto');
  const directory = `tools-${createHash('sha256').update(JSON.stringify(sources)).digest('hex').slice(0, 16)}`;
  fill(cacheDirectory, directory, sources);
  const index = {directory, linker, sources};
  writeAtomically(join(cacheDirectory, 'tools.json'), JSON.stringify(index));
  return index;
}

function fill(cacheDirectory: string, directory: string, sources: readonly Source[]): void {
  mkdirSync(cacheDirectory, {recursive: true, mode: 0o755});
  const temporary = join(cacheDirectory, `${directory}.${process.pid}.tmp`);
  try {
    mkdirSync(temporary, {mode: 0o755});
    for (const {path, name} of sources) {
      copyFileSync(path, join(temporary, name));
      chmodSync(join(temporary, name), 0o755);
    }
    // The umask may have taken what a command of another user needs.
    chmodSync(temporary, 0o755);
    renameSync(temporary, join(cacheDirectory, directory));
  } catch (error) {
    rmSync(temporary, {recursive: true, force: true});
    const errno = errnoOf(error);
    // Another process made the same one first.
    if (errno !== 'ENOTEMPTY' && errno !== 'EEXIST') throw error;
  }
  removeOthers(cacheDirectory, directory);
}

const STALE_MS = 24 * 60 * 60 * 1000;

/** Earlier toolboxes. One that is a day old is used by no sandbox that still starts; those that run need it no more. */
function removeOthers(cacheDirectory: string, directory: string): void {
  for (const name of readdirSync(cacheDirectory)) {
    if (!name.startsWith('tools-') || name === directory) continue;
    const path = join(cacheDirectory, name);
    const stats = statSync(path, {throwIfNoEntry: false});
    if (stats !== undefined && Date.now() - stats.ctimeMs > STALE_MS)
      rmSync(path, {recursive: true, force: true});
  }
}

function locate(program: Tool): string {
  for (const directory of systemPath().split(':')) {
    const path = join(directory, program);
    if (statSync(path, {throwIfNoEntry: false})?.isFile() === true) return realpathSync(path);
  }
  throw notStarted(program, undefined);
}

/** The libraries and the linker of a program, as ldd(1) tells; none for a static one. */
async function librariesOf(path: string): Promise<string[]> {
  const {code, stdout, stderr} = await attempt('ldd', [path], {env: {PATH: systemPath()}});
  if (code !== 0) {
    if (/not a dynamic executable|statically linked/i.test(stdout + stderr)) return [];
    throw new ChrootctlError('FAILED', `cannot tell which libraries ${path} needs: ${stderr.trim()}`);
  }
  return parseLdd(stdout);
}

/** `NAME => /PATH (0xADDRESS)` or `/PATH (0xADDRESS)`, one a line; the vdso has no path. */
export function parseLdd(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const path = /(?:=> |^\s*)(\/.*) \(0x[0-9a-f]+\)$/.exec(line)?.[1];
    return path === undefined ? [] : [path];
  });
}
