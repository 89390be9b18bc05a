/** Helper programs (mount, tar, du, …): run to the end, output captured, failure turned into an error that says why. */
import type {Options} from 'execa';
import {ChrootctlError} from '../errors.ts';
import {dyingWithUs} from './die-with-parent.ts';
import {isOfBuilders, refusalOf} from './refusal.ts';

export type HelperOptions = Options & {
  /** It ends when we are killed, with all that it has started: for what writes into volumes. For root only. */
  diesWithUs?: boolean;
};

export interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

/** Programs print in English with plain numbers, so that what they say can be read by a program too. */
const PLAIN = {LC_ALL: 'C'};

/**
 * Runs a program and returns how it ended, whatever its exit code.
 * @throws ChrootctlError FAILED when it cannot be started; the hint names the Debian package where known.
 */
export async function attempt(
  file: string,
  args: readonly string[],
  {diesWithUs = false, ...options}: HelperOptions = {},
): Promise<Finished> {
  // Loaded at the first need: the path of `run` starts no helper program.
  const {execa} = await import('execa');
  const [program, ...words] = diesWithUs ? dyingWithUs(file, args) : [file, ...args];
  const result = await execa(program, words, {
    stdin: 'ignore',
    ...options,
    env: {...PLAIN, ...options.env},
    reject: false,
  });
  if (result.exitCode === undefined && result.signal === undefined) throw notStarted(file, result);
  return {
    code: result.exitCode ?? 128,
    stdout: typeof result.stdout === 'string' ? result.stdout : '',
    stderr: typeof result.stderr === 'string' ? result.stderr : '',
  };
}

/**
 * Runs a program that is expected to succeed and returns its standard output, without the last newline.
 * @throws ChrootctlError FAILED with the last line of its standard error, NOT_PERMITTED when that is why.
 */
export async function run(
  file: string,
  args: readonly string[],
  options: HelperOptions = {},
): Promise<string> {
  const {code, stdout, stderr} = await attempt(file, args, options);
  if (code === 0) return stdout;
  const failing =
    options.diesWithUs === true && isOfBuilders(stderr)
      ? `cannot start ${file}`
      : `${file} failed (exit code ${code})`;
  throw refusalOf(failing, stderr) ?? new ChrootctlError('FAILED', `${failing}: ${lastLine(stderr)}`);
}

export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

const PACKAGES: Partial<Record<string, string>> = {
  bwrap: 'bubblewrap',
  mmdebstrap: 'mmdebstrap',
  btrfs: 'btrfs-progs',
  zstd: 'zstd',
  xz: 'xz-utils',
  getfattr: 'attr',
  mount: 'mount',
  perl: 'perl-base',
  setpriv: 'util-linux',
  unshare: 'util-linux',
  flock: 'util-linux',
  tar: 'tar',
};

export function notStarted(file: string, cause: unknown): ChrootctlError {
  const name = PACKAGES[file];
  return new ChrootctlError('FAILED', `cannot start ${file}`, {
    hint: name === undefined ? `is ${file} installed and on PATH?` : `install it: apt-get install ${name}`,
    cause,
  });
}
