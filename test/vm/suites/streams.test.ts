/** Versions that move from pool to pool as streams: whole, as differences, broken off and gone on with, damaged. */
import {beforeAll, beforeEach, describe, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {readFileSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {inspectVersion, listVersions} from '../../../src/images/list.ts';
import {Store} from '../../../src/store/store.ts';
import {BINARY, Cli, outcomeOf} from '../../cli/chrootctl.ts';
import {keepForAllTests, temporaryDirectory} from '../../temporary.ts';
import {temporaryPool, zfs} from './pool.ts';

const MIB = 2 ** 20;

interface Inspected {
  image: string;
  version: string;
  parent: string | null;
  message: string;
  labels: Record<string, string>;
  tags: string[];
  volume: string;
}

/** Two stores, each on a pool of its own: one for all tests, and one for each. */
let here: Cli;
let there: Cli;
let room: string;
let directory: string;

beforeAll(async () => {
  here = new Cli({driver: 'zfs'});
  await here.importRoot('base');
  keepForAllTests();
});

beforeEach(() => {
  there = new Cli();
  room = `${temporaryPool()}/store`;
  execFileSync(BINARY, ['init', '--root', there.store, '--driver', 'zfs', '--dataset', room], {
    stdio: 'ignore',
  });
  directory = temporaryDirectory();
});

/** Adds some megabytes that cannot be compressed. */
async function grow(cli: Cli, image: string, name: string, mib = 1): Promise<string> {
  const fill = `dd if=/dev/urandom of=/${name} bs=1M count=${mib} 2>/dev/null`;
  await cli.ok('update', image, '-m', `adds ${name}`, '--label', `has=${name}`, '--', 'sh', '-c', fill);
  return (await inspect(cli, image)).version;
}

/** What `inspect` prints, without a process for it. */
async function inspect(cli: Cli, reference: string): Promise<Inspected> {
  return inspectVersion(await Store.open({root: cli.store}), reference);
}

async function versionsOf(cli: Cli, image: string): Promise<string[]> {
  return listVersions(await Store.open({root: cli.store}), image).map(({version}) => version);
}

const sums = (cli: Cli, reference: string, ...names: string[]): Promise<string> =>
  cli.ok('run', reference, '--', 'sh', '-c', `busybox md5sum ${names.map((name) => `/${name}`).join(' ')}`);
const file = (name: string): string => join(directory, name);

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await sleep(200);
}
const incoming = (): string[] =>
  zfs('list', '-H', '-r', '-t', 'all', '-o', 'name', room)
    .split('\n')
    .filter((name) => name.includes('/incoming/'));

/** `chrootctl export … | chrootctl import …`, over the pipe that a shell makes. */
function piped(exported: string, imported: string): void {
  const script = `"$1" export --root "$2" ${exported} | "$1" import --root "$3" ${imported}`;
  execFileSync('bash', ['-ec', `set -o pipefail; ${script}`, 'sh', BINARY, here.store, there.store], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

describe('a version comes to another pool', () => {
  test('whole, then as differences over one and over several versions, with what is known of it', async () => {
    await here.importRoot('team/base:1.0.0');
    piped('team/base - --format zfs', '- team/base:1.0.0');
    const first = await inspect(there, 'team/base');
    expect(first).toMatchObject({
      parent: null,
      message: (await inspect(here, 'team/base')).message,
      tags: ['latest', '1.0.0'],
    });
    expect(await there.ok('run', 'team/base', '--', 'cat', '/etc/os-release')).toBe('NAME=busybox');

    await grow(here, 'team/base', 'one');
    await here.ok('export', 'team/base', file('one.zfs'), '--format', 'zfs', '--from', 'team/base:1.0.0');
    expect(statSync(file('one.zfs')).size).toBeLessThan(1.2 * MIB);
    await there.ok('import', file('one.zfs'), 'team/base', '--label', 'mine=too');
    const second = await inspect(there, 'team/base');
    expect(second).toMatchObject({
      parent: first.version,
      message: 'adds one',
      labels: {has: 'one', mine: 'too'},
    });

    for (const name of ['two', 'three']) await grow(here, 'team/base', name);
    piped(
      `team/base - --format zfs --from team/base:1.0.0 --compression zstd`,
      `- team/other:4 -m 'of mine'`,
    );
    const last = await inspect(there, 'team/other');
    expect(last).toMatchObject({parent: first.version, message: 'of mine', labels: {has: 'three'}});
    expect(await sums(there, 'team/other', 'one', 'two', 'three')).toBe(
      await sums(here, 'team/base', 'one', 'two', 'three'),
    );
    // Properties of the pool it comes from stay there.
    const dataset = `${room}/volumes/${last.volume}`;
    expect(zfs('get', '-H', '-o', 'value', 'mountpoint,canmount,mounted', dataset)).toBe(
      'legacy\nnoauto\nno',
    );
    expect(
      zfs('get', '-H', '-s', 'local,received', '-o', 'property', 'all', dataset).split('\n').sort(),
    ).toEqual(['canmount', 'chrootctl:parent', 'chrootctl:volume']);
    expect(incoming()).toEqual([]);

    // Life goes on: it is a version like any other, on all ways.
    await grow(there, 'team/other', 'five');
    await there.ok('rm', '--force', `team/other@${last.version}`);
    await there.ok('rm', '--force', 'team/base');
    expect(await there.ok('run', 'team/other', '--', 'ls', '/one', '/five')).toBe('/five\n/one');
    expect(await there.ok('doctor')).toBe('all is well');
  }, 300_000);

  test('by zfs-send and zfs-receive alone, on either side', async () => {
    await here.ok('export', 'base', file('base.zfs.zst'), '--format', 'zfs');
    const pool = room.split('/')[0] ?? '';
    execFileSync('sh', ['-c', `zstd -dqc base.zfs.zst | zfs receive -u ${pool}/copy`], {cwd: directory});
    expect(zfs('list', '-H', '-t', 'snapshot', '-o', 'name', '-r', `${pool}/copy`)).toMatch(/^\S+$/);
    execFileSync('sh', ['-c', `zfs snapshot ${pool}/copy@mine && zfs send ${pool}/copy@mine >mine.zfs`], {
      cwd: directory,
    });
    await there.ok('import', file('mine.zfs'), 'base');
    expect(await inspect(there, 'base')).toMatchObject({
      message: `import of ${file('mine.zfs')}`,
      labels: {},
    });
    expect(await there.ok('run', 'base', '--', 'cat', '/etc/os-release')).toBe('NAME=busybox');
    execFileSync('sh', ['-c', `zfs send -R ${pool}/copy@mine >all.zfs`], {cwd: directory});
    expect(await there.call(['import', file('all.zfs'), 'all'])).toMatchObject({
      code: 7,
      stderr: expect.stringMatching(/2 snapshots/) as unknown,
    });
  }, 300_000);
});

describe('an import that breaks off', () => {
  /** What `base` has and `there` has not. */
  let whole: string;

  beforeAll(async () => {
    await grow(here, 'base', 'large', 12);
    whole = join(here.directory, 'whole.zfs');
    await here.ok('export', 'base', whole, '--format', 'zfs', '--from', `base@${await firstOf(here)}`);
  });

  beforeEach(async () => {
    piped(`base@${await firstOf(here)} - --format zfs`, '- base');
  });

  async function firstOf(cli: Cli): Promise<string> {
    return (await versionsOf(cli, 'base')).at(-1) ?? '';
  }

  test('goes on where it did, twice, and from whatever broke it off', async () => {
    writeFileSync(file('part.zfs'), readFileSync(whole).subarray(0, 5 * MIB));
    const broken = await there.call(['import', file('part.zfs'), 'base:1']);
    expect(broken).toMatchObject({code: 7, stderr: expect.stringMatching(/breaks off/) as unknown});
    const token = tokenIn(broken.stderr);
    expect(await versionsOf(there, 'base')).toHaveLength(1);

    // It is reported, and kept.
    const doctor = await there.call(['doctor']);
    expect([doctor.code, tokenIn(doctor.stdout)]).toEqual([1, token]);
    await there.ok('gc');
    expect(incoming()).toHaveLength(1);

    await here.ok('export', '--resume', token, file('rest.zfs'));
    expect(statSync(file('rest.zfs')).size).toBeLessThan(9 * MIB);
    // Killed while it waits for more.
    const child = there.start(['import', '-', 'base:1']);
    child.stdin?.on('error', () => undefined); // It is ended while it reads.
    child.stdin?.write(readFileSync(file('rest.zfs')).subarray(0, 3 * MIB));
    const dataset = incoming()[0] ?? '';
    const attempt = (): string => zfs('get', '-H', '-o', 'value', 'chrootctl:volume', dataset);
    const before = attempt();
    await until(() => attempt() !== before);
    expect((await there.call(['doctor'])).stdout).toBe('all is well\n');
    const second = await there.call(['import', file('rest.zfs'), 'base:1']);
    expect([second.code, second.stderr]).toEqual([5, expect.stringContaining('being received')]);
    child.kill('SIGKILL');
    await outcomeOf(child);
    await sleep(2000);
    await there.ok('gc');
    const again = tokenIn((await there.call(['doctor'])).stdout);
    expect(again).not.toBe(token);

    piped(`--resume ${again} - --compression zstd`, '- base:1');
    expect(await inspect(there, 'base')).toMatchObject({
      message: 'adds large',
      labels: {has: 'large'},
      parent: await firstOf(there),
      tags: ['latest', '1'],
    });
    expect(await sums(there, 'base', 'large')).toBe(await sums(here, 'base', 'large'));
    expect(incoming()).toEqual([]);
    expect(await there.ok('doctor')).toBe('all is well');
    // What is done cannot be gone on with.
    const late = await there.call(['import', file('rest.zfs'), 'base:2']);
    expect([late.code, late.stderr]).toEqual([3, expect.stringContaining('nothing here')]);
  }, 300_000);

  test('by Ctrl-C says how to go on; begun anew it forgets what it had; it can be given up', async () => {
    const child = there.start(['import', '-', 'base']);
    child.stdin?.on('error', () => undefined); // It is ended while it reads.
    child.stdin?.write(readFileSync(whole).subarray(0, 4 * MIB));
    await until(() => incoming().length > 0);
    child.kill('SIGINT');
    const {code, stderr} = await outcomeOf(child);
    expect([code, tokenIn(stderr)]).toEqual([130, expect.any(String)]);
    expect(incoming()).toHaveLength(1);
    await there.ok('gc', '--transfers');
    expect(incoming()).toEqual([]);
    expect(await there.ok('doctor')).toBe('all is well');

    execFileSync('sh', ['-c', 'head -c 4000000 "$1" | zstd -q >part.zst', 'sh', whole], {cwd: directory});
    expect((await there.call(['import', file('part.zst'), 'base'])).code).toBe(7);
    zfs('set', `chrootctl:since=${Math.floor(Date.now() / 1000) - 8 * 24 * 3600}`, incoming()[0] ?? '');
    expect(await there.ok('doctor', '--fix')).toMatch(/mended: an import of stream/);
    expect(incoming()).toEqual([]);

    expect((await there.call(['import', file('part.zst'), 'base'])).code).toBe(7);
    await there.ok('import', whole, 'base');
    expect(await sums(there, 'base', 'large')).toBe(await sums(here, 'base', 'large'));
    expect(incoming()).toEqual([]);
  }, 300_000);

  function tokenIn(text: string): string {
    return /--resume (\S+) - \| chrootctl import - /.exec(text)?.[1] ?? 'no token';
  }
});

test('what cannot be done is refused in words, and leaves nothing', async () => {
  await here.importRoot('small');
  await grow(here, 'small', 'one');
  const [, first] = await versionsOf(here, 'small');
  const exported = async (cli: Cli, ...args: string[]): Promise<unknown[]> => {
    const {code, stderr} = await cli.call(['export', ...args]);
    return [code, stderr];
  };
  expect(await exported(here, 'small', file('x'), '--format', 'zfs', '--from', 'base')).toEqual([
    2,
    expect.stringMatching(new RegExp(`no ancestor.*\n.*small@${first ?? ''}`)),
  ]);
  expect(await exported(here, 'small', file('x'), '--from', 'base')).toEqual([
    2,
    expect.stringContaining('--format zfs'),
  ]);
  expect(await exported(here, '--resume', '1-abc-def-00', '-')).toEqual([
    7,
    expect.stringContaining('not a token'),
  ]);
  expect(await exported(here, 'small')).toEqual([2, expect.stringContaining('FILE')]);
  expect(await exported(here, 'small', '/dev/full', '--format', 'zfs')).toEqual([
    1,
    expect.stringContaining('No space left'),
  ]);

  await here.ok('export', 'small', file('one.zfs'), '--format', 'zfs', '--from', `small@${first ?? ''}`);
  await here.ok('export', 'small', file('all.zfs'), '--format', 'zfs');
  const lacking = await there.call(['import', file('one.zfs'), 'base']);
  expect([lacking.code, lacking.stderr]).toEqual([
    3,
    expect.stringContaining(`version ${first ?? ''}, the parent`),
  ]);

  const bytes = readFileSync(file('all.zfs'));
  const bad = Buffer.from(bytes).fill('X', bytes.length / 2, bytes.length / 2 + 40);
  for (const damaged of [bad, bytes.subarray(0, 2000)]) {
    writeFileSync(file('bad.zfs'), damaged);
    expect((await there.call(['import', file('bad.zfs'), 'base'])).code).toBe(7);
  }
  const limited = await there.call(['import', file('all.zfs'), 'base', '--max-size', '1m']);
  expect([limited.code, limited.stderr]).toEqual([7, expect.stringContaining('larger than')]);
  await there.ok('gc', '--transfers');
  expect(await there.json('images')).toEqual([]);
  expect(incoming()).toEqual([]);
  expect(await there.ok('doctor')).toBe('all is well');

  const directoryStore = new Cli({driver: 'directory'});
  await directoryStore.importRoot('base');
  const foreign = await directoryStore.call(['import', file('all.zfs'), 'base']);
  expect([foreign.code, foreign.stderr]).toEqual([2, expect.stringContaining('driver zfs')]);
  expect(await exported(directoryStore, 'base', file('x'), '--format', 'zfs')).toEqual([
    2,
    expect.stringContaining('--format tar'),
  ]);
}, 300_000);
