/** Sandboxes for tests: an overlay on the shared Debian root, launched by a process of its own. */
import {beforeAll} from '@jest/globals';
import {spawn, type ChildProcess} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {randomId} from '../../src/ids.ts';
import type {SandboxSpec} from '../../src/sandbox/spec.ts';
import {installedIn} from '../../src/system/installed.ts';
import {CHECKOUT} from '../cli/chrootctl.ts';
import {ROOT_TIMEOUT, unpackedRoot} from '../debian-root.ts';
import {temporaryDirectory} from '../temporary.ts';

export {eventually} from '../eventually.ts';

beforeAll(async () => {
  await unpackedRoot();
}, ROOT_TIMEOUT);

/** Where the supervisor is: the build's, unless a test says another one, or that there is none (with-perl/). */
export const INSTALLED = process.env['CHROOTCTL_TEST_INSTALLED'] ?? join(CHECKOUT, 'dist');
installedIn(INSTALLED);

export const LAUNCH_ONE = join(import.meta.dirname, 'launch-one.ts');
export const CACHE = join(
  process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  'chrootctl-test',
  'tools',
);

/** A fresh clone of the root and a harmless description of a sandbox in it. */
export async function sandbox(
  command: readonly string[],
  changes: Partial<SandboxSpec> = {},
): Promise<SandboxSpec> {
  const lower = await unpackedRoot();
  const directory = temporaryDirectory();
  const [upper, work, mountPoint] = ['upper', 'work', 'mnt'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const each of [upper, work, mountPoint]) mkdirSync(each);
  return {
    id: randomId(),
    root: {
      plan: {
        type: 'overlay',
        source: 'overlay',
        options: [
          `lowerdir=${lower}`,
          'upperdir=upper',
          'workdir=work',
          'index=off',
          'redirect_dir=off',
          'metacopy=off',
        ],
        workingDirectory: directory,
        layers: [upper, lower],
      },
      mountPoint,
    },
    command,
    env: {},
    workdir: '/',
    network: 'host',
    readOnly: false,
    volumes: [],
    devices: [],
    tmpfs: [],
    ulimits: [],
    capabilities: {add: [], drop: []},
    privileged: false,
    limits: {},
    ...changes,
  };
}

/** The writable layer of a sandbox made by `sandbox`. */
export function upperOf(spec: SandboxSpec): string {
  return 'plan' in spec.root ? (spec.root.plan.layers[0] ?? '') : spec.root.directory;
}

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** The command line that launches a sandbox. */
export function launcher(spec: SandboxSpec): string[] {
  const file = join(temporaryDirectory(), 'spec.json');
  writeFileSync(file, JSON.stringify(spec));
  return [process.execPath, '--disable-warning=ExperimentalWarning', LAUNCH_ONE, file, CACHE, INSTALLED];
}

export function start(spec: SandboxSpec, env: Record<string, string> = {}): ChildProcess {
  const [node = '', ...args] = launcher(spec);
  return spawn(node, args, {env: {...process.env, ...env}, stdio: ['pipe', 'pipe', 'pipe']});
}

/** Waits for the end of a started sandbox. */
export function end(child: ChildProcess, stdin = ''): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const texts = {stdout: '', stderr: ''};
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (chunk: string) => (texts[name] += chunk));
    }
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(stdin);
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve({code: code ?? -1, ...texts, ...(signal === null ? {} : {code: -1})}),
    );
  });
}

/** Runs a command in a fresh clone. */
export async function runIn(
  command: readonly string[],
  changes: Partial<SandboxSpec> = {},
  {stdin = '', env = {}}: {stdin?: string; env?: Record<string, string>} = {},
): Promise<Ended> {
  return end(start(await sandbox(command, changes), env), stdin);
}

export const sh = (script: string): string[] => ['sh', '-c', script];

/** Resolves when the child has printed `text`. */
export function printed(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve) => {
    let seen = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      seen += chunk.toString();
      if (seen.includes(text)) resolve();
    });
  });
}

/** Processes of the host that show `text` in their mounts, command line or variables; our own not counted. */
export function tracesOf(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) =>
      ['mountinfo', 'cmdline', 'environ'].some((file) => mentions(`/proc/${pid}/${file}`, text)),
    );
}

function mentions(path: string, text: string): boolean {
  try {
    return readFileSync(path, 'utf8').includes(text);
  } catch {
    return false; // Ended meanwhile.
  }
}
