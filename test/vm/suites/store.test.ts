/** A store on a pool: its records are lost and made anew, older ones are put back, a pool comes from elsewhere. */
import {expect, test} from '@jest/globals';
import {execFileSync, spawnSync} from 'node:child_process';
import {cpSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {versionId} from '../../../src/ids.ts';
import {inspectVersion, listHistory, listVersions} from '../../../src/images/list.ts';
import {parseReference} from '../../../src/reference.ts';
import {pin} from '../../../src/session/pin.ts';
import {Store} from '../../../src/store/store.ts';
import {BINARY, Cli} from '../../cli/chrootctl.ts';
import {keepForAllTests} from '../../temporary.ts';

interface Format {
  dataset: string;
}

function datasetOf(cli: Cli): string {
  return (JSON.parse(readFileSync(join(cli.store, 'format.json'), 'utf8')) as Format).dataset;
}

/** What `images`, `history` and `inspect` print, without a process for each. */
async function everything(cli: Cli): Promise<unknown> {
  const store = await Store.open({root: cli.store});
  const images = listVersions(store);
  return {
    images,
    histories: store.imageNames().map((name) => listHistory(store, name)),
    versions: images.map(({image, version}) => inspectVersion(store, `${image}@${version}`)),
  };
}

let filled: Promise<Cli> | undefined;

/** A store with two images and a few moves of every kind: the same for all tests that bring back what they have lost. */
function filledStore(): Promise<Cli> {
  return (filled ??= fill());
}

async function fill(): Promise<Cli> {
  const cli = new Cli({driver: 'zfs'});
  keepForAllTests();
  await cli.importRoot('team/base:1.0.0');
  await cli.ok(
    'update',
    'team/base',
    '--bump',
    'minor',
    '--label',
    'k=v',
    '-m',
    'ünï "quoted"\nlines',
    '--',
    'touch',
    '/one',
  );
  await cli.ok('update', 'team/base', '--', 'touch', '/two');
  await cli.ok('rollback', 'team/base');
  await cli.ok('tag', 'team/base', 'stable');
  await cli.ok('untag', 'team/base:1.0.0');
  await cli.importRoot('other');
  return cli;
}

test('all records are made anew from the pool after they were lost', async () => {
  const cli = await filledStore();
  const before = await everything(cli);
  const dataset = datasetOf(cli);
  rmSync(cli.store, {recursive: true});

  const refused = await cli.call(['init', '--driver', 'zfs', '--dataset', dataset]);
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringMatching(/records are gone\n.*doctor --rebuild/),
  ]);
  // The pool itself says which dataset is this store's.
  expect((await cli.call(['doctor', '--rebuild'])).stdout).toBe('all is well\n');
  expect(await everything(cli)).toEqual(before);
  expect(await cli.ok('run', 'team/base:^1', '--', 'ls', '/one')).toBe('/one');
  // And life goes on.
  await cli.ok('update', 'team/base', '--', 'touch', '/three');
}, 300_000);

test('one lost file is made anew, and what is there is left alone', async () => {
  const cli = await filledStore();
  const before = await everything(cli);
  rmSync(join(cli.store, 'images', 'team%2Fbase', 'refs.json'));
  const [version] = await cli.json<{version: string}[]>('images', 'other');
  rmSync(join(cli.store, 'images', 'other', 'versions', `${version?.version ?? ''}.json`));
  expect((await cli.call(['doctor'])).code).toBe(1);
  const {code, stderr} = await cli.call(['doctor', '--rebuild']);
  expect([code, stderr.trim().split('\n').length]).toEqual([0, 2]);
  expect(await everything(cli)).toEqual(before);
}, 300_000);

test('records that are older than the pool are noticed before anything is built on them or collected', async () => {
  const cli = new Cli({driver: 'zfs'});
  await cli.importRoot('base');
  cpSync(join(cli.store, 'images'), join(cli.directory, 'backup'), {recursive: true});
  await cli.ok('update', 'base', '--', 'touch', '/one');
  await cli.ok('update', 'base', '--', 'touch', '/two');
  const before = await everything(cli);
  rmSync(join(cli.store, 'images'), {recursive: true});
  cpSync(join(cli.directory, 'backup'), join(cli.store, 'images'), {recursive: true});

  const commit = await cli.call(['run', 'base', '--commit', '--', 'touch', '/three']);
  expect([commit.code, commit.stderr]).toEqual([4, expect.stringContaining('doctor --rebuild')]);
  await cli.ok('gc');
  const doctor = await cli.json<{problems: {kind: string}[]}>('doctor').catch(() => undefined);
  expect(doctor).toBeUndefined();
  await cli.call(['session', 'rm', '--force', ...(await cli.json<{id: string}[]>('ps')).map(({id}) => id)]);
  await cli.ok('doctor', '--rebuild');
  expect(await everything(cli)).toEqual(before);
}, 300_000);

test('a pool that is exported and imported again brings its store along', async () => {
  const cli = await filledStore();
  const pool = datasetOf(cli).split('/')[0] ?? '';
  const before = await everything(cli);
  const device = execFileSync('zpool', ['list', '-HPLv', '-o', 'name', pool], {encoding: 'utf8'})
    .trim()
    .split(/\s+/)[1];
  execFileSync('zpool', ['export', pool]);
  const missing = await cli.call(['run', 'other', '--', 'true']);
  expect([missing.code, missing.stderr]).toEqual([125, expect.stringContaining('zpool import')]);
  execFileSync('zpool', ['import', '-d', device ?? '', pool]);
  await cli.ok('gc'); // The run that failed could not look whether it had left something.
  expect(await everything(cli)).toEqual(before);
  expect(await cli.ok('doctor')).toBe('all is well');
}, 300_000);

test('a session that was kept is there again after its record was lost', async () => {
  const cli = new Cli({driver: 'zfs'});
  await cli.importRoot('base');
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  await cli.ok('exec', 'work', '--', 'touch', '/mine');
  execFileSync('umount', [join(cli.store, 'mnt', 'work')]);
  rmSync(cli.store, {recursive: true});
  await cli.ok('doctor', '--rebuild');
  const [session] = await cli.json<{id: string; image: string}[]>('ps');
  expect(session).toMatchObject({id: expect.stringMatching(/^recovered-/) as unknown, image: 'base'});
  expect(await cli.ok('exec', session?.id ?? '', '--', 'ls', '/mine')).toBe('/mine');
}, 300_000);

test('init says what it found, and info why', async () => {
  const cli = new Cli({driver: 'zfs'});
  expect(await cli.ok('init')).toMatch(
    /: driver zfs \(dataset \S+, OpenZFS \S+, channel programs with .*set_prop/,
  );
  const info = await cli.json<{driver: string; driverFeatures: string}>('info');
  expect([info.driver, info.driverFeatures]).toEqual([
    'zfs',
    expect.stringMatching(/^dataset \S+, OpenZFS /),
  ]);
});

test('ps tells what a session has written', async () => {
  const cli = new Cli({driver: 'zfs'});
  await cli.importRoot('base');
  await cli.ok('session', 'begin', 'base', '--name', 'work', '--storage-limit', '6m');
  await cli.ok(
    'exec',
    'work',
    '--',
    'sh',
    '-c',
    'dd if=/dev/urandom of=/data bs=1M count=2 2>/dev/null; sync',
  );
  const [session] = await cli.json<{size: number}[]>('ps', '--size');
  expect(session?.size).toBeGreaterThan(2_000_000);
  expect(session?.size).toBeLessThan(4_000_000);
  const full = await cli.call([
    'exec',
    'work',
    '--',
    'dd',
    'if=/dev/urandom',
    'of=/more',
    'bs=1M',
    'count=8',
  ]);
  expect([full.code, full.stderr]).toEqual([1, expect.stringMatching(/quota exceeded/i)]);
  await cli.ok('commit', 'work');
  await cli.ok('session', 'end', 'work');
  expect(await cli.ok('doctor')).toBe('all is well');
}, 300_000);

test('a user is told what zfs allow would have to grant, and that root is needed all the same', () => {
  const cli = new Cli({driver: 'zfs'});
  execFileSync('chmod', ['755', cli.directory, cli.store]);
  const asNobody = (): {status: number | null; stdout: string} =>
    spawnSync(
      'setpriv',
      ['--reuid=65534', '--regid=65534', '--clear-groups', BINARY, 'doctor', '--root', cli.store],
      {
        encoding: 'utf8',
      },
    );
  const before = asNobody();
  expect([before.status, before.stdout]).toEqual([
    1,
    expect.stringMatching(/^nobody may not create, clone, .* on tank/),
  ]);
  const [, grant = ''] = /as root: zfs (allow .*)$/m.exec(before.stdout) ?? [];
  execFileSync('zfs', grant.split(' '));
  const after = asNobody();
  expect([after.status, after.stdout]).toEqual([1, expect.stringMatching(/^to mount needs root on Linux/)]);
});

test.each([false, true])(
  'a commit that was cut off after its transaction is brought to its end (its record was there: %s)',
  async (recorded) => {
    const cli = new Cli({driver: 'zfs'});
    const first = await cli.importRoot('base');
    const store = await Store.open({root: cli.store});
    const image = store.image('base');
    const {version, record} = await pin(store, parseReference('base'), {
      kind: 'run',
      ephemeral: true,
      command: [],
      labels: {},
      options: {},
    });
    store.sessions.replace({...record, owner: {...record.owner, started: '1'}});
    await store.driver.create(record.volume, {parent: version.volume, ephemeral: true});
    const {volume: _volume, size, ...known} = version;
    const memo = {...known, id: versionId(first), parent: first};
    await image.change(async (change) => {
      const moves = change.prepareMoves({latest: memo.id}, {action: 'commit', by: 'test', message: ''});
      const note = {memo: JSON.stringify(memo), entry: change.ledgerEntry(moves)};
      await store.driver.freeze(record.volume, note);
      if (recorded) change.addVersion({...memo, volume: record.volume, size});
    });
    const {collected} = await cli.json<{collected: {kind: string}[]}>('gc');
    expect(collected.map(({kind}) => kind)).toEqual(['unfinished-commit', 'dead-session']);
    expect(await cli.ok('doctor')).toBe('all is well');
    expect(image.refs().tags['latest']).toBe(memo.id);
    await cli.ok('run', 'base', '--', 'true');
  },
  120_000,
);
