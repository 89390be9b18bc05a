/** Records that the disk does not give back at one moment: what they may say counts as said. */
import {afterEach, beforeEach, expect, test} from '@jest/globals';
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Cli, cleanUp, outcomeOf, type Outcome} from '../cli/chrootctl.ts';
import {failing} from './calls.ts';

let cli: Cli;

beforeEach(async () => {
  cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
});
afterEach(cleanUp);

/** A call of the program for which a call of the file system fails with EIO; it must come to that. */
async function callFailing(words: readonly string[], name: string, occurrence = 1): Promise<Outcome> {
  const mark = join(cli.directory, 'mark');
  const env = failing(cli.directory, {name, occurrence}, 'EIO', mark);
  const outcome = await cli.call(words, {env});
  expect({words, name, ...outcome, hasFailed: existsSync(mark)}).toMatchObject({hasFailed: true});
  return outcome;
}

/** A command that has begun, and ends when it is let. */
async function begun(words: readonly string[]): Promise<() => Promise<Outcome>> {
  const child = cli.start([...words, '--', 'sh', '-c', 'echo begun; read line; touch /root/done']);
  const ended = outcomeOf(child);
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return () => {
    child.stdin?.end('\n');
    return ended;
  };
}

const volumes = (): string[] => readdirSync(join(cli.store, 'volumes')).sort();

test.each([1, 2])(
  'gc leaves a run that is at work, whichever look at its record fails (%d)',
  async (look) => {
    const end = await begun(['run', 'base']);
    const before = volumes();
    await callFailing(['gc'], 'readFile store/sessions/SESSION.json', look);
    expect(volumes()).toEqual(before);
    expect(await end()).toMatchObject({code: 0});
  },
);

test('rm leaves a version whose user cannot be read', async () => {
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const {code} = await callFailing(['rm', '--force', 'base'], 'readFile store/sessions/work.json', 2);
  expect(code).toBe(5);
  expect(await cli.ok('exec', 'work', '--', 'echo', 'there')).toBe('there');
});

test.each([1, 2])('a commit pauses a command whichever look at its record fails (%d)', async (look) => {
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const end = await begun(['exec', 'work']);
  const before = await cli.json<unknown[]>('images');
  const {code, stderr} = await callFailing(['commit', 'work'], 'readFile store/execs/work.ID.json', look);
  expect([code, stderr]).toEqual([5, expect.stringContaining('may be of a command')]);
  expect(await cli.json<unknown[]>('images')).toEqual(before);
  expect(await end()).toMatchObject({code: 0});
  await cli.ok('commit', 'work');
  expect(await cli.ok('doctor')).toBe('all is well');
});

test.each([1, 2, 3])('doctor --fix makes no second session of a volume (look %d)', async (look) => {
  for (const name of ['other', 'work']) await cli.ok('session', 'begin', 'base', '--name', name);
  const records = ['other', 'work'].map((name) => join(cli.store, `sessions/${name}.json`));
  const before = records.map((path) => readFileSync(path, 'utf8'));
  // The one record for good, so that neither volume is certain; the other at one look.
  writeFileSync(records[0]!, '');
  await callFailing(['doctor', '--fix'], 'readFile store/sessions/work.json', look);
  expect(readFileSync(records[1]!, 'utf8')).toBe(before[1]);
  await cli.call(['doctor', '--fix']);
  const volumes = (await cli.json<{id: string}[]>('ps')).map(
    ({id}) =>
      (JSON.parse(readFileSync(join(cli.store, `sessions/${id}.json`), 'utf8')) as {volume: string}).volume,
  );
  expect(volumes).toHaveLength(2);
  expect(new Set(volumes).size).toBe(2);
});

test('a record that the disk keeps is not made anew, and can be given up', async () => {
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const record = join(cli.store, 'sessions/work.json');
  const text = readFileSync(record, 'utf8');
  const env = failing(cli.directory, {name: 'readFile store/sessions/work.json', occurrence: 0}, 'EIO');
  const {code, stdout} = await cli.call(['doctor', '--fix'], {env});
  expect([code, stdout]).toEqual([1, expect.stringContaining(`gc --give-up ${record}`)]);
  expect(readFileSync(record, 'utf8')).toBe(text);
});

test.each([
  ['mkdtemp store/volumes/.chrootctl-trial-', 'ENOSPC'],
  ['mkdir store/volumes/.chrootctl-trial-…/upper', 'EIO'],
  ['writeFile store/volumes/.chrootctl-trial-…/lower/deleted', 'EMFILE'],
] as const)('a new store gets no lesser driver because of %s (%s)', async (name, errno) => {
  const [fresh, usual] = [new Cli(), new Cli()];
  const {code, stderr} = await fresh.call(['init'], {
    env: failing(fresh.directory, {name, occurrence: 1}, errno),
  });
  expect([code, stderr]).toEqual([1, expect.stringContaining(errno)]);
  await usual.ok('init');
  const {driver} = await usual.json<{driver: string}>('info');
  expect(await fresh.json('info')).toMatchObject({driver});
});

test('doctor --rebuild takes a store that the disk does not show for no other than a store', async () => {
  const {code, stderr} = await callFailing(['doctor', '--rebuild'], 'stat store/format.json');
  expect([code, stderr]).toEqual([1, expect.stringContaining('EIO')]);
});

test('what holds for an image is not forgotten where the disk does not show it', async () => {
  await cli.ok('policy', 'base', '--profile', 'buildd');
  const refs = join(cli.store, 'images/base/refs.json');
  writeFileSync(refs, '');
  await callFailing(['doctor', '--fix'], 'stat store/images/base/policy.json');
  await cli.ok('doctor', '--fix');
  expect(await cli.json('policy', 'base')).toMatchObject({profile: 'buildd'});
});
