/** The calls of the file system that a command makes: found by letting it run, not kept by hand; and any of them failing. */
import {existsSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';

const HOOK = join(import.meta.dirname, 'hook.cjs');

/** The `occurrence`th call of this name, from 1: what is called, and the path below the directory that is looked at. */
export interface Call {
  name: string;
  occurrence: number;
}

export const ERRORS = ['EIO', 'ENOSPC', 'EMFILE', 'EROFS'] as const;
export type Errno = (typeof ERRORS)[number];

/** Variables for a chrootctl that adds the names of its calls on paths below `directory` to `file`. */
export function recording(directory: string, file: string): Record<string, string> {
  return {NODE_OPTIONS: `--require=${HOOK}`, CHROOTCTL_FAULTS_BELOW: directory, CHROOTCTL_FAULTS_TO: file};
}

/** Variables for a chrootctl of which this call fails, or all of the name (0); then it makes the file `mark`. */
export function failing(
  directory: string,
  {name, occurrence}: Call,
  errno: Errno,
  mark?: string,
): Record<string, string> {
  return failingAll(directory, [{name, occurrence, errno}], mark);
}

/** The same for several. */
export function failingAll(
  directory: string,
  faults: readonly (Call & {errno: Errno})[],
  mark?: string,
): Record<string, string> {
  return {
    NODE_OPTIONS: `--require=${HOOK}`,
    CHROOTCTL_FAULTS_BELOW: directory,
    CHROOTCTL_FAULT: faults.map(({name, occurrence, errno}) => `${occurrence} ${errno} ${name}`).join('\n'),
    ...(mark === undefined ? {} : {CHROOTCTL_FAULT_MARK: mark}),
  };
}

/** Reads what was recorded, and removes it: of calls that come again and again, the first and the last. */
export function recorded(file: string): Call[] {
  const counts = new Map<string, number>();
  if (existsSync(file))
    for (const name of readFileSync(file, 'utf8').trimEnd().split('\n'))
      counts.set(name, (counts.get(name) ?? 0) + 1);
  rmSync(file, {force: true});
  return [...counts].flatMap(([name, count]) =>
    [...new Set([1, count])].map((occurrence) => ({name, occurrence})),
  );
}

const WRITING =
  /^(?:appendFile|copyFile|cp|write|writeFile|ftruncate|truncate|link|symlink|mkdir|mkdtemp|rename|fsync|fdatasync) /;
const OPENING = /^(?:copyFile|cp|open|readFile|readdir|writeFile|mkdtemp) /;
const CHANGING = /^(?:ch|fch|lch|utimes|futimes|lutimes|rm|rmdir|unlink)/;

/** The errors that the system may give for such a call. */
export function errorsOf({name}: Call): Errno[] {
  return ERRORS.filter((errno) => {
    if (errno === 'EIO') return true;
    if (errno === 'EMFILE') return OPENING.test(name);
    if (errno === 'EROFS') return WRITING.test(name) || CHANGING.test(name);
    return WRITING.test(name) || /^open .*\.tmp$/.test(name);
  });
}

export function describeFault({name, occurrence}: Call, errno: Errno): string {
  return `${errno} of ${name}${occurrence === 1 ? '' : ` (${occurrence})`}`;
}
