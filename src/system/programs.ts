/**
 * The one way to start a program (mount, tar, zfs, perl, …), in one environment: run to its end, output captured, failure
 * turned into an error that says why; or just started.
 */
import {
  spawn,
  spawnSync,
  type ChildProcess,
  type ChildProcessByStdio,
  type StdioOptions,
} from 'node:child_process';
import {delimiter} from 'node:path';
import type {Readable, Writable} from 'node:stream';
import type {Options} from 'execa';
import {constants} from 'node:os';
import {ChrootctlError, errnoOf, remedyIn, remedyOf, whyOf} from '../errors.ts';
import {codeOf, deathOf} from './death.ts';
import {dyingWithUs} from './die-with-parent.ts';
import {endable, stoppable, throwIfAborted} from './interruption.ts';
import {isOfBuilders, refusalOf} from './refusal.ts';

/** `env`: variables besides those of `environment`. */
export type HelperOptions = Options & {
  /** It ends when we are killed, with all that it has started: for what writes into volumes. For root only. */
  diesWithUs?: boolean;
  /** An interruption ends it (interruption.ts). */
  isEndable?: boolean;
};

export interface Finished {
  code: number;
  /** Without the last newline, as is `stderr`. */
  stdout: string;
  stderr: string;
}

/** Where distributions keep programs for everybody, and those for root, which are not on everybody's PATH. */
const BIN = ['/usr/bin', '/bin'];
const SBIN = ['/usr/sbin', '/sbin'];

/**
 * All that a program is told by its environment. Nothing of our caller's: variables such as TAR_OPTIONS, XZ_OPT or
 * POSIXLY_CORRECT change what programs do, and so what a version holds. PATH says where our caller has its programs, as
 * far as that does not depend on a working directory. Programs print in English with plain numbers, for a program to read.
 */
export function environment(more: Readonly<NodeJS.ProcessEnv> = {}): NodeJS.ProcessEnv {
  const own = callersPath();
  return {
    PATH: [...new Set([...(own.length === 0 ? BIN : own), ...SBIN])].join(':'),
    LC_ALL: 'C',
    ...more,
  };
}

/** A PATH with the system's own places first, for what a sandbox is made of: nobody is to replace that. */
export function systemPath(): string {
  return [...new Set(['/usr/sbin', '/usr/bin', '/sbin', '/bin', ...callersPath()])].join(':');
}

function callersPath(): string[] {
  return (process.env['PATH'] ?? '').split(delimiter).filter((entry) => entry.startsWith('/'));
}

export interface StartOptions {
  /** Default: all three ignored. */
  stdio?: StdioOptions;
  /** Default: ours. */
  cwd?: string;
  /** In a session of its own: what a terminal sends, Ctrl-C above all, is for us to act on. */
  detached?: boolean;
  /** Variables besides those of `environment`. */
  env?: Readonly<Record<string, string>>;
}

/** Starts a program, and leaves the rest to the caller. For the path of `run`: nothing is loaded that is not needed. */
export function start(
  file: string,
  args: readonly string[],
  options: StartOptions & {stdio: ['pipe', 'pipe', 'pipe']},
): ChildProcessByStdio<Writable, Readable, Readable>;
export function start(
  file: string,
  args: readonly string[],
  options: StartOptions & {stdio: ['ignore', 'pipe', 'pipe']},
): ChildProcessByStdio<null, Readable, Readable>;
export function start(
  file: string,
  args: readonly string[],
  options: StartOptions & {stdio: ['pipe', 'ignore', 'ignore']},
): ChildProcessByStdio<Writable, null, null>;
export function start(file: string, args: readonly string[], options?: StartOptions): ChildProcess;
export function start(
  file: string,
  args: readonly string[],
  {stdio = 'ignore', env, ...options}: StartOptions = {},
): ChildProcess {
  return spawned(file, spawn(file, args, {...options, stdio, env: environment(env)}));
}

/** Runs one that takes next to no time, and waits. Gives its exit code; null when it was killed. */
export function runAtOnce(file: string, args: readonly string[], stdio: StdioOptions): number | null {
  const {status, error} = spawnSync(file, args, {stdio, env: environment()});
  if (error !== undefined) throw notStarted(file, error);
  return status;
}

/** The same, with what it prints. */
export function attemptAtOnce(file: string, args: readonly string[]): Finished {
  return finishedAtOnce(file, args, {});
}

/**
 * The same as `attempt` for one that only looks, and takes next to no time where nothing is wrong: to wait for it at once
 * spares some milliseconds. One that takes longer is ended and started again in a way that can be interrupted.
 */
export async function attemptSoon(
  file: string,
  args: readonly string[],
  options: {encoding?: 'utf8' | 'latin1'} = {},
): Promise<Finished> {
  const {code, ...finished} = finishedAtOnce(file, args, {...options, timeout: SOON_MS});
  if (code !== ENDED) return {code, ...finished};
  return attempt(file, args, {...options, isEndable: true});
}

const SOON_MS = 100;

/** The code of one that was killed. */
const ENDED = codeOf('SIGKILL');

function finishedAtOnce(
  file: string,
  args: readonly string[],
  {encoding = 'utf8', timeout}: {encoding?: 'utf8' | 'latin1'; timeout?: number},
): Finished {
  const {status, signal, stdout, stderr, error} = spawnSync(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding,
    maxBuffer: Infinity,
    ...(timeout === undefined ? {} : {timeout, killSignal: 'SIGKILL' as const}),
    env: environment(),
  });
  if (error !== undefined && errnoOf(error) !== 'ETIMEDOUT') throw notStarted(file, error);
  const [out, said] = [stdout, stderr].map(withoutLastNewline);
  return {code: status ?? codeOf(signal ?? undefined), stdout: out ?? '', stderr: said ?? ''};
}

/** What one that takes next to no time prints; undefined when it fails, or is not there. */
export function outputOf(file: string, args: readonly string[]): string | undefined {
  const {status, stdout} = spawnSync(file, args, {
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
    env: environment(),
  });
  return status === 0 ? stdout : undefined;
}

/**
 * Runs a program and returns how it ended, whatever its exit code.
 * @throws ChrootctlError FAILED when it cannot be started; the hint names the Debian package where known. The reason of
 *   `cancelSignal`, or of the interruption, once that is aborted
 */
export async function attempt(
  file: string,
  args: readonly string[],
  {diesWithUs = false, isEndable = false, ...options}: HelperOptions = {},
): Promise<Finished> {
  const [program, ...words] = diesWithUs ? dyingWithUs(file, args) : [file, ...args];
  const signal = isEndable ? endable() : undefined;
  if (isPlain(options)) return captured([program, ...words], {...options, called: file, signal});
  // Loaded at the first need, which takes longer than most programs.
  const {execa} = await import('execa');
  const started = execa(program, words, {
    stdin: 'ignore',
    ...options,
    // So that what it starts can be ended with it.
    ...(signal === undefined ? {} : {detached: true}),
    env: environment(options.env),
    extendEnv: false,
    reject: false,
  });
  const result = await stoppable(started, signal, () => killGroup(started.pid));
  throwIfAborted(options.cancelSignal);
  if (result.exitCode === undefined && result.signal === undefined) throw notStarted(file, result.cause);
  return {
    code: result.exitCode ?? codeOf(result.signal),
    stdout: typeof result.stdout === 'string' ? result.stdout : '',
    stderr: typeof result.stderr === 'string' ? result.stderr : '',
  };
}

/** What most programs are called with, and what it takes to call them so. */
interface Plain {
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  input?: string | Buffer;
  /** Of what it prints. */
  encoding?: 'utf8' | 'latin1';
}

function isPlain(options: Options): options is Plain {
  return Object.keys(options).every((name) => ['cwd', 'env', 'input', 'encoding'].includes(name));
}

/** @param called by what name, where it is another program that starts it */
function captured(
  [file = '', ...args]: readonly string[],
  {
    called,
    cwd,
    env,
    input,
    encoding = 'utf8',
    signal,
  }: Plain & {called: string; signal: AbortSignal | undefined},
): Promise<Finished> {
  const child = start(file, args, {
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : {cwd}),
    ...(env === undefined ? {} : {env}),
    detached: signal !== undefined,
  });
  const [stdout, stderr] = [child.stdout, child.stderr].map(allOf(encoding));
  // One that fails early closes its end (EPIPE); it says why on its standard error.
  child.stdin?.on('error', () => undefined).end(input);
  const ended = new Promise<Finished>((resolve, reject) => {
    child.once('error', (error) => reject(notStarted(called, error)));
    child.once('close', (code, killedBy) => {
      resolve({
        code: code ?? codeOf(killedBy ?? undefined),
        stdout: stdout?.() ?? '',
        stderr: stderr?.() ?? '',
      });
    });
  });
  return stoppable(ended, signal, () => killGroup(child.pid));
}

function allOf(encoding: 'utf8' | 'latin1'): (stream: Readable | null) => () => string {
  return (stream) => {
    const parts: string[] = [];
    stream?.setEncoding(encoding).on('data', (text: string) => parts.push(text));
    return () => withoutLastNewline(parts.join(''));
  };
}

function withoutLastNewline(text: string): string {
  return text.replace(/\n$/, '');
}

function killGroup(leader: number | undefined): void {
  try {
    if (leader !== undefined) process.kill(-leader, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
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
  return outputIn(await attempt(file, args, options), file, options);
}

/**
 * What a program has printed that was expected to succeed.
 * @throws as `run`
 */
export function outputIn(
  {code, stdout, stderr}: Finished,
  file: string,
  {diesWithUs}: HelperOptions = {},
): string {
  if (code === 0) return stdout;
  const failing =
    diesWithUs === true && isOfBuilders(stderr)
      ? `cannot start ${file}`
      : `${file} failed (exit code ${code})`;
  throw (
    deathOf(failing, {code, stderr}) ??
    refusalOf(failing, stderr) ??
    new ChrootctlError('FAILED', `${failing}: ${lastLine(stderr)}`, {hint: remedyIn(stderr)})
  );
}

export function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

/**
 * What spawn() has given, with its streams. Where it has no descriptors left it gives none, and tells of it later.
 * @throws ChrootctlError FAILED then
 */
function spawned<T extends ChildProcess>(file: string, child: T): T {
  if ((child as Partial<ChildProcess>).stdio !== undefined) return child;
  child.on('error', () => undefined); // Told here.
  const errno = -constants.errno.EMFILE;
  const cause = {code: 'EMFILE', errno, syscall: 'spawn', message: `spawn ${file} EMFILE`};
  throw notStarted(file, cause);
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

/** A program that is missing can be installed; for what else may be wrong (no more files, no more processes) errno tells. */
export function notStarted(file: string, cause: unknown): ChrootctlError {
  const remedy = remedyOf(cause);
  if (remedy !== undefined)
    return new ChrootctlError('FAILED', `cannot start ${file}: ${whyOf(cause)}`, {hint: remedy, cause});
  const name = PACKAGES[file];
  return new ChrootctlError('FAILED', `cannot start ${file}`, {
    hint: name === undefined ? `is ${file} installed and on PATH?` : `install it: apt-get install ${name}`,
    cause,
  });
}
