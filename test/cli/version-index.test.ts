/** The index of versions, as the real binary makes and uses it: what it reads is counted, and who may not write does without. */
import {beforeEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {dyingAt} from '../crash-points/steps.ts';
import {MANY} from '../../src/store/look.ts';
import {formatRecord} from '../../src/store/records.ts';
import type {Store} from '../../src/store/store.ts';
import {Cli} from './chrootctl.ts';
import {addEarlierVersions, addVersion, openStore} from './stores.ts';
import {fileWork, recordsOpened} from './traced.ts';

let cli: Cli;
let store: Store;

beforeEach(async () => {
  cli = new Cli({driver: 'overlay'});
  store = await openStore(cli.store);
  await addVersion(store, 'base', () => undefined);
});

/** Milliseconds: files younger than that are not told of in an index. */
const UNSETTLED = 2_100;

async function addMore(count: number): Promise<void> {
  addEarlierVersions(store, 'base', count);
  await sleep(UNSETTLED);
}

const directory = (): string => store.image('base').directory;
const index = (): string => join(directory(), 'versions.index');
const pathOf = (id: string): string => join(directory(), 'versions', `${id}.json`);

/** What images says of the versions, and whether that is what the records say. */
async function expectTheRecords(): Promise<void> {
  const listed = await cli.json<{version: string; message: string}[]>('images');
  const records = store.image('base').versions().reverse();
  expect(listed.map(({version, message}) => [version, message])).toEqual(
    records.map(({id, message}) => [id, message]),
  );
}

test('a second listing reads no record but the new ones', async () => {
  await addMore(40);
  expect(recordsOpened(cli, 'images').length).toBe(41);
  expect(recordsOpened(cli, 'images')).toEqual([]);
  expect(recordsOpened(cli, 'images', 'base', '--json', '--filter', 'tagged=true')).toEqual([]);
  const [path = ''] = store.image('base').versionIds().map(pathOf);
  const {id, ...rest} = JSON.parse(readFileSync(path, 'utf8')) as {id: string};
  writeFileSync(path, formatRecord({id, ...rest, message: 'edited'}));
  expect(recordsOpened(cli, 'images')).toEqual([path]);
  await addVersion(store, 'base', () => undefined, {parent: store.image('base').refs().tags['latest'] ?? ''});
  expect(recordsOpened(cli, 'images').sort()).toEqual(
    [path, pathOf(store.image('base').versionIds().at(-1) ?? '')].sort(),
  );
  await expectTheRecords();
  // What is not a listing makes no use of it.
  rmSync(path);
  expect((await cli.call(['inspect', `base@${id}`])).code).toBe(3);
});

test('of very many versions not even the files are looked at, and doctor looks at each', async () => {
  await addMore(MANY);
  const first = fileWork(cli, 'images');
  const second = fileWork(cli, 'images');
  expect(first).toBeGreaterThan(3 * MANY);
  expect(second).toBeLessThan(MANY);
  await expectTheRecords();
  const [path = ''] = store.image('base').versionIds().map(pathOf);
  writeFileSync(path, 'edited in place');
  const doctor = await cli.call(['doctor']);
  expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringContaining(`${path} is damaged`)]);
  // Anything else that changes there makes it look at the files.
  await addVersion(store, 'base', () => undefined, {parent: store.image('base').refs().tags['latest'] ?? ''});
  expect((await cli.call(['images'])).stderr).toContain(`${path} is damaged`);
  await expectTheRecords();
});

test('who may not write lists the same, and leaves no trace', async () => {
  await addMore(40);
  const expected = await cli.ok('images', '--json');
  const before = readFileSync(index(), 'utf8');
  rmSync(index());
  chmodSync(cli.directory, 0o755);
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  const call = (...through: string[]): Promise<unknown> =>
    cli.call(['images', '--json'], {through, env: {HOME: '/'}});
  const answer = {code: 0, stdout: `${expected}\n`, stderr: ''};
  expect(await call(...nobody)).toEqual(answer);
  expect(readdirSync(directory()).sort()).toEqual(['history.jsonl', 'refs.json', 'versions']);
  // The index of root's is good enough for others.
  expect(await call()).toEqual(answer);
  expect(readFileSync(index(), 'utf8')).toBe(before);
  expect(await call(...nobody)).toEqual(answer);
  // It may even be closed to them.
  chmodSync(index(), 0o600);
  expect(await call(...nobody)).toEqual(answer);

  rmSync(index());
  execFileSync('mount', ['--bind', cli.store, cli.store]);
  execFileSync('mount', ['-o', 'remount,ro,bind', cli.store]);
  expect(await call()).toEqual(answer);
  execFileSync('umount', [cli.store]);
  expect(existsSync(index())).toBe(false);
});

test('many that list at once, while versions come and go, all tell what there is', async () => {
  await addMore(60);
  const ids = store.image('base').versionIds();
  const shown = await cli.ok('images', '--json');
  expect(
    await Promise.all(
      Array.from({length: 6}, () => (rmSync(index(), {force: true}), cli.ok('images', '--json'))),
    ),
  ).toEqual(Array<string>(6).fill(shown));
  const spare = join(cli.directory, 'spare');
  const listings = Array.from({length: 6}, async (_, number) => {
    await sleep(number * 20);
    return cli.json<{version: string}[]>('images');
  });
  const moving = ids.slice(10, 50);
  for (const id of moving) {
    renameSync(pathOf(id), spare);
    await sleep(5);
    renameSync(spare, pathOf(id));
    rmSync(index(), {force: true});
  }
  for (const listed of await Promise.all(listings)) {
    const versions = listed.map(({version}) => version);
    expect(versions).toEqual([...new Set(versions)]);
    expect(versions.filter((id) => !moving.includes(id))).toEqual(
      ids.filter((id) => !moving.includes(id)).reverse(),
    );
  }
  await expectTheRecords();
  expect(readdirSync(directory()).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test.each(['writeFile', 'rename'])('who is killed at the %s of it leaves what is collected', async (step) => {
  await addMore(40);
  const env = dyingAt(cli.directory, {name: `${step} store/images/base/versions.index.tmp`, occurrence: 1});
  expect((await cli.call(['images'], {env})).stderr).toContain('SIGKILL');
  expect(existsSync(index())).toBe(false);
  expect(readdirSync(directory()).filter((name) => name.endsWith('.tmp')).length).toBe(1);
  await expectTheRecords();
  await cli.ok('gc');
  expect(readdirSync(directory()).sort()).toEqual([
    'history.jsonl',
    'refs.json',
    'versions',
    'versions.index',
  ]);
  await expectTheRecords();
});

test('an image goes with its index, and one of that name that comes after has its own', async () => {
  await addMore(40);
  await cli.ok('images');
  const old = readFileSync(index());
  expect(await cli.ok('doctor')).toBe('all is well');
  await cli.ok('rm', '--force', 'base');
  expect(readdirSync(join(cli.store, 'images'))).toEqual([]);
  await addVersion(store, 'base', () => undefined);
  // As if its writer had been late.
  writeFileSync(index(), old);
  await expectTheRecords();
  await addMore(20);
  await expectTheRecords();
  expect(readFileSync(index(), 'utf8')).not.toBe(old.toString());
  expect(await cli.ok('doctor')).toBe('all is well');
});
