/** What a store looks like: from outside, and in its files. Ids are replaced by what they stand for. */
import {execFileSync} from 'node:child_process';
import {existsSync, readdirSync} from 'node:fs';
import {createRequire} from 'node:module';
import {join} from 'node:path';
import type {World} from './world.ts';

const {nameOfPath} = createRequire(import.meta.url)('./names.cjs') as {nameOfPath: (path: string) => string};

/** As it is seen by those who use it. */
export interface State {
  /** For each image, where its tags point. */
  tags: Record<string, Record<string, string>>;
  /** For each image, what holds for it. */
  policies: Record<string, object>;
  versions: string[];
  /** For each session, what a command finds in it. */
  sessions: Record<string, string>;
  /** For each image, what a run finds in it. */
  contents: Record<string, string>;
}

/**
 * @param known the versions that there were before the command; others are called `new`
 * @throws Error when an image cannot be run
 */
export async function stateOf(world: World, known: readonly string[]): Promise<State> {
  const nameOf = (id: string): string => (known.includes(id) ? `version ${known.indexOf(id)}` : 'new');
  const state: State = {tags: {}, policies: {}, versions: [], sessions: {}, contents: {}};
  if (!existsSync(join(world.store, 'format.json'))) return state;
  const store = await world.open();
  for (const name of store.imageNames()) {
    const image = store.image(name);
    const {tags} = image.refs();
    state.policies[name] = image.policy();
    if (Object.keys(tags).length > 0)
      state.tags[name] = Object.fromEntries(Object.entries(tags).map(([tag, id]) => [tag, nameOf(id)]));
    state.versions.push(...image.versionIds().map((id) => `${name}@${nameOf(id)}`));
    if (tags['latest'] !== undefined) state.contents[name] = await printed(world, ['run', name]);
  }
  for (const record of store.sessions.list()) {
    const {id, name} = record;
    if (record.ephemeral || store.sessions.isUnbegun(record)) continue;
    state.sessions[name ?? 'without a name'] = await printed(world, ['exec', id]);
  }
  return state;
}

/** Which versions there are. */
export async function versionsOf(world: World): Promise<string[]> {
  if (!existsSync(join(world.store, 'format.json'))) return [];
  const store = await world.open();
  return store.imageNames().flatMap((name) => store.image(name).versionIds());
}

async function printed(world: World, words: readonly string[]): Promise<string> {
  const {code, stdout, stderr} = await world.call([...words, '--', 'cat', '/state']);
  if (code !== 0) throw new Error(`chrootctl ${words.join(' ')} ended with ${code}: ${stderr}`);
  return stdout.trim();
}

/** The store's files and directories by the names that steps give them; what is in a root is not looked at. */
export function filesOf(world: World): string[] {
  return [...below(world.directory, 'store'), ...datasetsOf(world)].sort();
}

function below(directory: string, path: string): string[] {
  if (!existsSync(join(directory, path))) return [];
  return readdirSync(join(directory, path), {withFileTypes: true}).flatMap((entry) => {
    const child = join(path, entry.name);
    const name = nameOfPath(child);
    // Lock files stay, and what has been found out about the kernel.
    if (/^store\/(?:locks\/|volumes\/\.(?:lock|overlay)$)/.test(child)) return [];
    const isRoot = /^store\/(?:volumes\/[^/]+\/\w+|mnt\/[^/]+)$/.test(child);
    return [name, ...(entry.isDirectory() && !isRoot ? below(directory, child) : [])];
  });
}

function datasetsOf({dataset}: World): string[] {
  if (dataset === undefined) return [];
  const names = execFileSync('zfs', ['list', '-H', '-r', '-t', 'all', '-o', 'name', dataset], {
    encoding: 'utf8',
  });
  return names
    .trimEnd()
    .split('\n')
    .map((name) => name.slice(dataset.length).replace(/[^/@]+/g, (part) => nameOfPath(part)));
}
