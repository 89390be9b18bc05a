/** The real binary, in a store of its own. */
import {execFileSync, spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {copyFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {mountLoop} from '../contract/loop.ts';
import {temporaryDataset, temporaryDirectory} from '../temporary.ts';
import {Terminal} from '../terminal.ts';

export {cleanUp} from '../temporary.ts';

export const CHECKOUT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** The checkout's, which Node runs. */
export const ON_NODE = join(CHECKOUT, 'bin', 'chrootctl');
/** The program that is tested: what ships, where the suite runs (test/program.js). */
export const BINARY = process.env['CHROOTCTL_TEST_PROGRAM'] ?? ON_NODE;

/** The one that does what these variables say: what is hooked into a program by NODE_OPTIONS is for Node. */
export function programFor(env: Readonly<Record<string, string>> = {}): string {
  return env['NODE_OPTIONS'] === undefined ? BINARY : ON_NODE;
}

/**
 * A copy of the program in which a shell script makes the supervisor's system call `name` (src/system/calls.ts); in the script
 * `$supervisor` is the real one. Gives the directory that has `chrootctl` in it.
 */
export function copyWithCall(place: string, name: string, script: string): string {
  const isOnNode = BINARY === ON_NODE;
  const [from, own] = isOnNode ? [CHECKOUT, join(place, 'bin')] : [dirname(BINARY), place];
  mkdirSync(place, {recursive: true});
  const files = isOnNode ? ['bin', 'dist', 'package.json'] : ['chrootctl', 'dist'];
  execFileSync('cp', ['-a', '--reflink=auto', ...files.map((file) => join(from, file)), place]);
  if (isOnNode) symlinkSync(join(CHECKOUT, 'node_modules'), join(place, 'node_modules'));
  const supervisor = join(place, 'dist/native', `supervisor-${process.arch}`);
  renameSync(supervisor, `${supervisor}.real`);
  const lines = [
    '#!/bin/sh',
    `supervisor=${supervisor}.real`,
    `if [ "$1 $2" = "call ${name}" ]; then ${script}; else exec "$supervisor" "$@"; fi`,
  ];
  writeFileSync(supervisor, `${lines.join('\n')}\n`, {mode: 0o755});
  return own;
}

const started: ChildProcess[] = [];

/** Ends what a failed test left running, which would keep the whole run from ending. */
function killStarted(): void {
  for (const child of started.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
}

// Scripts use this file too, and have no such hook.
(globalThis as {afterEach?: (hook: () => void) => void}).afterEach?.(killStarted);

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export interface CallOptions {
  input?: string | Buffer;
  env?: Record<string, string>;
  cwd?: string;
  /** In a process group of its own. */
  detached?: boolean;
  /** Words of a program that starts it. */
  through?: readonly string[];
  /** Default: see programFor(). */
  program?: string;
}

/** What a container is here: a pid namespace with a /proc of its own. All in it end when what is started with this does. */
export const CONTAINER = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'] as const;

/** A store and a way to call chrootctl on it. */
export class Cli {
  readonly store: string;
  readonly directory: string;
  readonly #environment: Record<string, string>;

  constructor({driver, store, env}: {driver?: string; store?: string; env?: Record<string, string>} = {}) {
    this.directory = temporaryDirectory();
    // On a file system that the driver can work on.
    const room = driver === 'btrfs' ? mountLoop('btrfs', this.directory) : this.directory;
    this.store = store ?? join(room, 'store');
    this.#environment = {
      CHROOTCTL_ROOT: this.store,
      ...(driver === undefined ? {} : {CHROOTCTL_DRIVER: driver}),
      ...env,
    };
    if (driver === 'zfs') {
      const init = ['init', '--root', this.store, '--driver', 'zfs', '--dataset', temporaryDataset()];
      execFileSync(BINARY, init, {stdio: 'ignore'});
    }
  }

  start(args: readonly string[], options: CallOptions = {}): ChildProcess {
    const program = options.program ?? programFor({...this.#environment, ...options.env});
    const [file = program, ...words] = [...(options.through ?? []), program, ...args];
    const child = spawn(file, words, {
      cwd: options.cwd ?? this.directory,
      env: {PATH: process.env['PATH'], HOME: this.directory, ...this.#environment, ...options.env},
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: options.detached ?? false,
    });
    started.push(child);
    return child;
  }

  /** A terminal in which `chrootctl` is this one, with this store. */
  terminal(): Terminal {
    const path = `${dirname(BINARY)}:${process.env['PATH'] ?? ''}`;
    return new Terminal({env: {...this.#environment, PATH: path}, cwd: this.directory});
  }

  async call(args: readonly string[], options: CallOptions = {}): Promise<Outcome> {
    const child = this.start(args, options);
    child.stdin?.on('error', () => undefined); // A command that reads nothing closes it early.
    child.stdin?.end(options.input ?? '');
    return outcomeOf(child);
  }

  /** Calls, expects success, and gives what was printed without the last newline. */
  async ok(...args: string[]): Promise<string> {
    const {code, stdout, stderr} = await this.call(args);
    if (code !== 0) throw new Error(`chrootctl ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout.trimEnd();
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.ok(...args, '--json')) as T;
  }

  /** Imports a small root with busybox in it. Gives the version id. */
  async importRoot(target = 'base'): Promise<string> {
    return this.ok('import', busyboxRoot(), target);
  }
}

export async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({
        code: code ?? -1,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString() + (signal === null ? '' : `(${signal})`),
      }),
    );
  });
}

/**
 * Calls a program as a user with no rights at all. `from` is shown to it at `to`: the checkout may lie where only root
 * can go.
 */
export function callAsNobody(
  {from, to}: {from: string; to: string},
  words: readonly string[],
): {status: number | null; stderr: string} {
  mkdirSync(to, {recursive: true});
  const script =
    'mount --bind "$1" "$2" && shift 2 && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"';
  const unshare = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', from, to];
  return spawnSync('unshare', [...unshare, ...words], {encoding: 'utf8'});
}

const APPLETS = [
  'sh',
  'cat',
  'echo',
  'ls',
  'id',
  'true',
  'false',
  'sleep',
  'mkdir',
  'rm',
  'mv',
  'ln',
  'touch',
  'stat',
  'kill',
  'env',
  'test',
  'seq',
  'dd',
  'sync',
  'pwd',
  'tr',
  'wc',
  'sort',
  'uniq',
  'hostname',
  'chmod',
  'chown',
  'tail',
  'head',
  'tar',
];

/** A directory with busybox and a few of its names, enough to run commands in. */
export function busyboxRoot(): string {
  const root = join(temporaryDirectory(), 'root');
  for (const directory of ['bin', 'etc', 'tmp', 'root', 'proc', 'dev', 'sys', 'usr/bin']) {
    mkdirSync(join(root, directory), {recursive: true});
  }
  copyFileSync(
    execFileSync('sh', ['-c', 'command -v busybox'], {encoding: 'utf8'}).trim(),
    join(root, 'bin/busybox'),
  );
  for (const applet of APPLETS) symlinkSync('busybox', join(root, 'bin', applet));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/tmp:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nguest:x:1000:\nextra:x:1001:guest\n');
  writeFileSync(join(root, 'etc/os-release'), 'NAME=busybox\n');
  return root;
}
