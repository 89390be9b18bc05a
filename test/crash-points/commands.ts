/** The commands that change something, each with the state of the store that it starts from. */
import {spawnSync} from 'node:child_process';
import {existsSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {begin, importImage, run, tagVersion} from '../../src/index.ts';
import {dyingAt, type Step} from './steps.ts';
import type {World} from './world.ts';

export interface Command {
  /** The only driver that it is for. */
  driver?: string;
  words: (world: World, source: string) => Promise<readonly string[]> | readonly string[];
  /** What it reads from its standard input. */
  input?: string;
  prepare: (world: World, source: string) => Promise<void>;
  /** What has to be called before anything else is mended, when it was interrupted. */
  again?: readonly string[];
  /** What is wrong with what it made outside of the store. */
  check?: (world: World) => string[];
}

const write = (state: string): string[] => ['sh', '-c', `echo ${state} > /state`];

export const COMMANDS: Readonly<Record<string, Command>> = {
  init: {
    words: ({dataset}) => ['init', ...(dataset === undefined ? [] : ['--dataset', dataset])],
    prepare: () => Promise.resolve(),
  },
  'import (a first image)': {words: (_, source) => ['import', source, 'base:1.0'], prepare: empty},
  import: {words: (_, source) => ['import', source, 'base'], prepare: image},
  run: {words: () => ['run', 'base', '--', ...write('lost')], prepare: image},
  'run --commit': {words: () => ['run', 'base', '--commit', '--', ...write('new')], prepare: image},
  'run --commit=TAG': {words: () => ['run', 'base', '--commit=1.0', '--', ...write('new')], prepare: image},
  'run --commit (a directory renamed)': {
    words: () => ['run', 'base', '--commit', '--', 'sh', '-c', 'mv /usr /moved && echo new > /state'],
    prepare: image,
  },
  'run --name': {words: () => ['run', 'base', '--name', 'work', '--', ...write('kept')], prepare: image},
  update: {words: () => ['update', 'base', '--', ...write('new')], prepare: image},
  'session begin': {words: () => ['session', 'begin', 'base'], prepare: image},
  'session begin --name': {words: () => ['session', 'begin', 'base', '--name', 'work'], prepare: image},
  exec: {words: () => ['exec', 'work', '--', ...write('more')], prepare: session},
  'exec (the first one)': {words: () => ['exec', 'work', '--', ...write('work')], prepare: begun},
  autopkgtest: {
    words: () => ['autopkgtest', 'base'],
    input: 'open\nrevert\nclose\nquit\n',
    prepare: image,
  },
  commit: {words: () => ['commit', 'work'], prepare: session},
  'commit IMAGE:TAG': {words: () => ['commit', 'work', 'base:2.0'], prepare: session},
  'commit (to another image)': {words: () => ['commit', 'work', 'other:1.0'], prepare: session},
  'session end': {words: () => ['session', 'end', 'work'], prepare: session},
  'session end --commit': {words: () => ['session', 'end', 'work', '--commit'], prepare: session},
  'session rm': {words: () => ['session', 'rm', 'work'], prepare: session},
  tag: {words: () => ['tag', 'base', 'named'], prepare: image},
  policy: {words: () => ['policy', 'base', '--profile', 'buildd'], prepare: image},
  untag: {words: () => ['untag', 'base:named'], prepare: tagged},
  rollback: {words: () => ['rollback', 'base'], prepare: image},
  'rm (a version with heirs)': {
    words: async (world) => ['rm', `base@${(await firstVersion(world)) ?? ''}`],
    prepare: image,
  },
  'rm --force (an image)': {words: () => ['rm', '--force', 'base'], prepare: tagged},
  prune: {words: () => ['prune'], prepare: image},
  gc: {words: () => ['gc'], prepare: leftovers},
  'doctor --fix': {words: () => ['doctor', '--fix'], prepare: leftovers},
  export: {words: () => ['export', 'base', 'base.tar'], prepare: image, check: wholeArchive},
  'export --for sbuild': {
    words: () => ['export', 'base', '--for', 'sbuild', '--dist', 'stable'],
    prepare: image,
    check: wholeTarball,
  },
  'export --format zfs': {
    driver: 'zfs',
    words: () => ['export', '--format', 'zfs', 'base', 'base.zfs'],
    prepare: image,
    check: wholeStream,
  },
  'import (a stream)': {driver: 'zfs', words: () => ['import', 'base.zfs', 'received'], prepare: stream},
  'doctor --rebuild': {
    driver: 'zfs',
    words: () => ['doctor', '--rebuild'],
    prepare: lostRecords,
    again: ['doctor', '--rebuild'],
  },
};

export function commandsFor(driver: string): string[] {
  return Object.keys(COMMANDS).filter((name) => (COMMANDS[name]?.driver ?? driver) === driver);
}

/** Those that only read; what they are killed at leaves nothing. */
export const READERS = [
  'diff',
  'history',
  'images',
  'info',
  'inspect',
  'ps',
  'session list',
  'session path',
] as const;

/** What is made in a directory of its own, and imported from there like any other. */
export const IMPORTERS = ['bootstrap'] as const;

async function empty(world: World): Promise<void> {
  await world.open();
}

/** Two versions: the first, without a tag, is the parent of `latest`. */
async function image(world: World, source: string): Promise<void> {
  const store = await world.open();
  await importImage(store, source, {target: 'base'});
  await run(store, {reference: 'base', command: write('2'), commit: {}});
}

async function tagged(world: World, source: string): Promise<void> {
  await image(world, source);
  await tagVersion(await world.open(), 'base', 'named');
}

async function begun(world: World, source: string): Promise<void> {
  await image(world, source);
  await begin(await world.open(), 'base', {name: 'work'});
}

export async function session(world: World, source: string): Promise<void> {
  await begun(world, source);
  // With what is installed, so that it leaves a sandbox.
  const {code, stderr} = await world.call(['exec', 'work', '--', ...write('work')]);
  if (code !== 0) throw new Error(stderr);
}

/** What three commands left that died: a clone, a version that no tag has named, and one that is half removed. */
async function leftovers(world: World, source: string): Promise<void> {
  await image(world, source);
  // Not while the chain is at work: how far they come would be another in each run.
  await die(world, ['run', 'base', '--', 'true'], {
    name: `ended supervisor-${process.arch}`,
    occurrence: 1,
  });
  await die(world, ['run', 'base', '--commit', '--', 'true'], {
    name: 'rename store/images/base/refs.json.tmp',
    occurrence: 1,
  });
  await die(world, ['rm', `base@${(await firstVersion(world)) ?? ''}`], {
    name: 'fsync store/images/base/versions',
    occurrence: 1,
  });
}

async function die(world: World, words: readonly string[], step: Step): Promise<void> {
  const {stderr} = await world.call(words, dyingAt(world.directory, step));
  if (!stderr.includes('SIGKILL'))
    throw new Error(`${words.join(' ')} did not come to '${step.name}': ${stderr}`);
}

async function stream(world: World, source: string): Promise<void> {
  await image(world, source);
  const {code, stderr} = await world.call(['export', '--format', 'zfs', 'base', 'base.zfs']);
  if (code !== 0) throw new Error(`there is no stream: ${stderr}`);
}

async function lostRecords(world: World, source: string): Promise<void> {
  await image(world, source);
  rmSync(join(world.store, 'images', 'base'), {recursive: true});
}

/** The file is there in full, or not at all. */
function wholeArchive(world: World): string[] {
  return wholeFile(world, 'base.tar', ['tar', '--list', '--file']);
}

function wholeTarball(world: World): string[] {
  return wholeFile(world, '.cache/sbuild/stable-amd64.tar.zst', ['tar', '--list', '--zstd', '--file']);
}

function wholeStream(world: World): string[] {
  return wholeFile(world, 'base.zfs', ['sh', '-c', 'exec zstream dump < "$1"', 'sh']);
}

function wholeFile({directory}: World, name: string, [file = '', ...words]: readonly string[]): string[] {
  const path = join(directory, name);
  if (!existsSync(path)) return [];
  const {status, stderr} = spawnSync(file, [...words, path], {encoding: 'utf8'});
  return status === 0 ? [] : [`half of ${name} is there: ${stderr}`];
}

async function firstVersion(world: World): Promise<string | undefined> {
  return (await world.open()).image('base').versionIds()[0];
}
