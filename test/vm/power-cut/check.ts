/**
 * Runs in the guest: brings stores up after a power cut and looks whether they are what was promised.
 *   check.mjs JOB.json
 */
import {appendFileSync, readFileSync} from 'node:fs';
import type {Cli} from '../../cli/chrootctl.ts';
import {Store} from '../../../src/store/store.ts';
import type {VersionRecord} from '../../../src/store/records.ts';
import type {Image} from '../../../src/store/image.ts';
import type {Acknowledged} from './disk.ts';
import {generationOf, writeCommand} from './generation.ts';
import type {Driver} from './drivers.ts';
import {STORE, withStore} from './store.ts';

export interface Job {
  driver: Driver;
  cuts: {number: number; disk: string; acknowledged: Acknowledged[]}[];
}

/** What came of one cut. */
export interface Verdict {
  number: number;
  problems: string[];
  /** Kinds of problems that `doctor --fix` mended. */
  mended: string[];
  /** Of how many images `latest` is an acknowledged commit, and of how many one that was still at work. */
  old: number;
  new: number;
  seconds: number;
}

const {driver, cuts} = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Job;
for (const {number, disk, acknowledged} of cuts) {
  const began = performance.now();
  const verdict: Verdict = {number, problems: [], mended: [], old: 0, new: 0, seconds: 0};
  try {
    const found = await withStore(driver, `${disk}1`, (cli) => check(cli, acknowledged, verdict));
    verdict.problems.push(...found);
  } catch (error) {
    verdict.problems.push(String(error));
  }
  verdict.seconds = (performance.now() - began) / 1000;
  // The port to the host, as guest-init opens it.
  appendFileSync(3, `${JSON.stringify(verdict)}\n`);
}

async function check(cli: Cli, acknowledged: readonly Acknowledged[], verdict: Verdict): Promise<void> {
  const {problems} = verdict;
  const fixed = await cli.call(['doctor', '--fix', '--json']);
  if (fixed.code !== 0) problems.push(`doctor --fix: ${fixed.stdout}${fixed.stderr}`);
  else verdict.mended = (JSON.parse(fixed.stdout) as {fixed: {kind: string}[]}).fixed.map(({kind}) => kind);
  const after = await cli.call(['doctor']);
  if (after.code !== 0) problems.push(`doctor, after --fix: ${after.stdout}${after.stderr}`);

  const store = await Store.open({root: STORE});
  const images = Map.groupBy(acknowledged, ({image}) => image);
  for (const [name, commits] of images) {
    const latest = store.image(name).refs().tags['latest'];
    verdict[commits.some(({version}) => version === latest) ? 'old' : 'new']++;
    problems.push(...(await problemsOf(store, store.image(name), commits)).map((what) => `${name}: ${what}`));
  }
  problems.push(...(await leftoversIn(store)));

  // The image that races is the one whose latest is least known.
  const before = store.image('updated').refs().tags['latest'];
  const update = await cli.call(['update', 'updated', '--quiet', '--json', '--', ...writeCommand('after')]);
  if (update.code !== 0) problems.push(`an update ended with ${update.code}: ${update.stderr}`);
  else {
    const {version, parent} = JSON.parse(update.stderr) as {version: string; parent: string};
    if (parent !== before) problems.push(`an update came upon ${parent} instead of ${before}`);
    const seen = await generationIn(store, store.image('updated').version(version)!);
    if (seen !== 'after') problems.push(`an update wrote generation ${seen}`);
  }
}

async function problemsOf(store: Store, image: Image, commits: readonly Acknowledged[]): Promise<string[]> {
  const problems: string[] = [];
  const {latest} = image.refs().tags;
  if (latest === undefined) return ['there is no latest'];
  const line: string[] = [];
  for (let at: string | null = latest; at !== null;) {
    const version = image.version(at);
    if (version === undefined) problems.push(`the record of ${at} is missing`);
    line.push(at);
    at = version?.parent ?? null;
  }
  const moves = image.history().flatMap(({tag, to}) => (tag === 'latest' && to !== null ? [to] : []));
  if (moves.toReversed().join() !== line.join())
    problems.push(`history tells of ${moves.join()}, the parents of ${line.toReversed().join()}`);
  const others = image.versionIds().filter((id) => !line.includes(id));
  if (others.length > 0) problems.push(`versions that no commit made: ${others.join()}`);
  const lost = commits.filter(({version}) => !line.includes(version));
  if (lost.length > 0) problems.push(`acknowledged and lost: ${JSON.stringify(lost)}`);
  const expected = new Map(commits.map(({version, generation}) => [version, generation]));
  for (const id of newest(line, expected)) {
    const version = image.version(id);
    if (version === undefined) continue;
    try {
      const generation = await generationIn(store, version);
      const promised = expected.get(id) ?? generation;
      if (generation !== promised) problems.push(`${id} has generation ${generation} instead of ${promised}`);
    } catch (error) {
      problems.push(`${id} is not whole: ${String(error)}`);
    }
  }
  return problems;
}

function generationIn(store: Store, {volume}: VersionRecord): Promise<string> {
  return store.driver.withTree(volume, (tree) => Promise.resolve(generationOf(tree)));
}

/** What was written last is what a power cut can harm: all that was not acknowledged, and the last that was. */
function newest(line: readonly string[], acknowledged: ReadonlyMap<string, unknown>): string[] {
  const last = line.findIndex((id) => acknowledged.has(id));
  return last < 0 ? [...line] : line.slice(0, last + 1);
}

/** Nothing is alive after a power cut, so all that is there must belong to a version or to a kept session. */
async function leftoversIn(store: Store): Promise<string[]> {
  const sessions = store.sessions.list();
  const versions = store.imageNames().flatMap((name) => store.image(name).versions());
  const named = new Set([
    ...versions.map(({volume}) => volume),
    // A commit that was cut off leaves a session with a clone that it has not got to; its next command collects it.
    ...sessions.flatMap(({volume, pending}) => [volume, ...pending]),
  ]);
  const volumes = (await store.driver.list()).filter(({id}) => !named.has(id));
  return [
    ...volumes.map(({id, state}) => `volume ${id} (${state}) is nobody's`),
    ...sessions.filter(({ephemeral}) => ephemeral).map(({id}) => `session ${id} is still there`),
  ];
}
