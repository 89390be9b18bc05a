/**
 * Where native/inside is missing, and for new privileges: the programs that make the last steps inside, whatever the root
 * holds: the host's own shell, setpriv(1), chroot(1)
 * and env(1) with the dynamic linker and libraries they need, copied once into a directory that is bind-mounted
 * read-only (tool-cache.ts). A root without util-linux, of another distribution or C library works the same.
 */
import {realpathSync, statSync} from 'node:fs';
import {basename, join} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import {attempt, notStarted, systemPath} from '../system/programs.ts';
import {findCopies, makeCopies, type HostFile} from './tool-cache.ts';

const PROGRAMS = ['sh', 'setpriv', 'chroot', 'env'] as const;

export type Tool = (typeof PROGRAMS)[number];

export interface Toolbox {
  /** Of copies, on the host; null where none can be kept, and the host's own files take their place. */
  directory: string | null;
  /** These files, by the names that they have inside; none where there are copies. */
  files: readonly HostFile[];
  /** File name of the dynamic linker among them; null when the programs are linked statically. */
  linker: string | null;
}

/** One toolbox per process is looked up once. */
const found = new Map<string, Toolbox>();

/**
 * The toolbox in `cacheDirectory`, made when it is missing or the host's files have changed; without copies where that
 * directory cannot hold any, which takes some milliseconds more for each sandbox.
 * @throws ChrootctlError FAILED when a program is missing on the host
 */
export async function toolbox(cacheDirectory: string): Promise<Toolbox> {
  const known = found.get(cacheDirectory);
  if (known !== undefined) return known;
  const box = await boxIn(cacheDirectory);
  found.set(cacheDirectory, box);
  return box;
}

async function boxIn(cacheDirectory: string): Promise<Toolbox> {
  const present = findCopies(cacheDirectory);
  if (present !== undefined) return {...present, files: []};
  const tools = await hostTools();
  const made = await makeCopies(cacheDirectory, tools.files, tools.linker);
  return made === undefined ? {...tools, directory: null} : {...made, files: []};
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

/** The tools of the host as they are now, with what they need. */
async function hostTools(): Promise<Pick<Toolbox, 'files' | 'linker'>> {
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
  return {files: [...files].map(([name, path]) => ({name, path})), linker};
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
