import {describe, expect, test} from '@jest/globals';
import {spawnSync} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {mountsOf} from '../../src/system/mounts.ts';
import {BINARY, Cli, busyboxRoot} from './chrootctl.ts';
import {DRIVERS, SLOWNESS} from './drivers.ts';

interface Version {
  image: string;
  version: string;
  tags: string[];
  parent: string | null;
  created: string;
  size: number;
  message: string;
  labels: Record<string, string>;
}
interface Committed {
  image: string;
  version: string;
  tags: string[];
  parent: string | null;
}
interface Move {
  time: string;
  tag: string;
  from: string | null;
  to: string | null;
  by: string;
  action: string;
  message: string;
}

describe.each(DRIVERS)('the life of an image on %s', (driver) => {
  test('import, run, commit, history, rollback, removal', async () => {
    const cli = new Cli({driver});
    const first = await cli.importRoot('base');

    expect(await cli.ok('run', 'base', '--', 'cat', '/etc/os-release')).toBe('NAME=busybox');
    await cli.ok('run', 'base', '--', 'sh', '-c', 'echo changed > /etc/os-release');
    expect(await cli.ok('run', 'base', '--', 'cat', '/etc/os-release')).toBe('NAME=busybox');

    const committed = await cli.call([
      'run',
      'base',
      '--commit=1.0.0',
      '-m',
      'one',
      '--json',
      '--',
      'sh',
      '-c',
      'echo one; echo one > /one',
    ]);
    expect([committed.code, committed.stdout]).toEqual([0, 'one\n']);
    const second = JSON.parse(committed.stderr) as Committed;
    expect(second).toEqual({
      image: 'base',
      version: expect.any(String),
      tags: ['latest', '1.0.0'],
      parent: first,
    });

    await cli.ok(
      'update',
      'base',
      '--bump',
      'minor',
      '--label',
      'k=v',
      '--',
      'sh',
      '-c',
      'echo two > /two; rm /etc/os-release',
    );
    const versions = await cli.json<Version[]>('images', 'base');
    expect(versions.map(({tags, parent, message, labels}) => ({tags, parent, message, labels}))).toEqual([
      {
        tags: ['latest', '1.1.0'],
        parent: second.version,
        message: 'sh -c echo two > /two; rm /etc/os-release',
        labels: {k: 'v'},
      },
      {tags: ['1.0.0'], parent: first, message: 'one', labels: {}},
      {tags: [], parent: null, message: expect.stringMatching(/^import of /), labels: {}},
    ]);
    for (const version of versions) {
      expect(version.size).toBeGreaterThan(0);
      expect(new Date(version.created).toISOString()).toBe(version.created);
    }
    expect(await cli.ok('run', 'base:^1.0', '--', 'cat', '/two')).toBe('two');
    expect((await cli.call(['run', 'base:1.0.0', '--', 'cat', '/two'])).code).toBe(1);
    expect(await cli.ok('run', `base@${first}`, '--', 'cat', '/etc/os-release')).toBe('NAME=busybox');

    expect(await cli.json('diff', 'base:1.0.0', 'base')).toEqual([
      {path: '/etc/os-release', kind: 'deleted'},
      {path: '/two', kind: 'added'},
    ]);

    const third = versions[0]!.version;
    await cli.ok('rollback', 'base');
    await cli.ok('rollback', 'base'); // Takes the first one back.
    await cli.ok('rollback', 'base', '1.0.0');
    await cli.ok('tag', `base@${third}`, 'stable');
    const moves = await cli.json<Move[]>('history', 'base');
    expect(moves.map(({tag, from, to, action}) => [action, tag, from, to])).toEqual([
      ['tag', 'stable', null, third],
      ['rollback', 'latest', third, second.version],
      ['rollback', 'latest', second.version, third],
      ['rollback', 'latest', third, second.version],
      ['commit', 'latest', second.version, third],
      ['commit', '1.1.0', null, third],
      ['commit', 'latest', first, second.version],
      ['commit', '1.0.0', null, second.version],
      ['import', 'latest', null, first],
    ]);
    expect(Object.keys(moves[0]!)).toEqual(['time', 'tag', 'from', 'to', 'by', 'action', 'message']);

    expect(await cli.json('inspect', 'base:stable')).toMatchObject({
      image: 'base',
      version: third,
      tags: ['stable', '1.1.0'],
      config: {env: {}},
      driver,
      volume: expect.any(String),
      history: expect.any(Array),
    });

    expect((await cli.call(['rm', 'base:stable'])).code).toBe(5);
    await cli.ok('rm', '--force', 'base:stable');
    await cli.ok('prune');
    expect((await cli.json<Version[]>('images')).map(({version}) => version)).toEqual([second.version]);
    expect(await cli.ok('run', 'base', '--', 'cat', '/one')).toBe('one'); // Its parent is gone, it is whole.
    await cli.ok('rm', '--force', 'base');
    expect(await cli.json('images')).toEqual([]);
    expect(await cli.ok('doctor')).toBe('all is well');
    expect(readdirSync(join(cli.store, 'volumes')).filter((name) => !name.startsWith('.'))).toEqual([]);
  });

  test('a session is begun, used, committed while it goes on, and ended', async () => {
    const cli = new Cli({driver});
    const first = await cli.importRoot();
    expect(await cli.ok('session', 'begin', 'base', '--name', 'work', '-e', 'WHO=me')).toBe('work');
    const path = await cli.ok('session', 'path', 'work');
    expect(statSync(path).isDirectory()).toBe(true);
    expect(await cli.json('ps')).toEqual([
      expect.objectContaining({
        id: 'work',
        name: 'work',
        image: 'base',
        version: first,
        state: 'idle',
        ephemeral: false,
        root: path,
      }),
    ]);
    expect((await cli.call(['session', 'begin', 'base', '--name', 'work'])).code).toBe(5);

    await cli.ok('exec', 'work', '--', 'sh', '-c', 'echo $WHO > /who');
    expect(readFileSync(join(path, 'who'), 'utf8')).toBe('me\n');
    expect(await cli.json('diff', 'work')).toEqual([{path: '/who', kind: 'added'}]);

    const second = await cli.ok('commit', 'work', '-m', 'who');
    await cli.ok('exec', 'work', '--', 'sh', '-c', 'echo more > /more');
    expect(await cli.ok('run', 'base', '--', 'ls', '/who')).toBe('/who');
    expect((await cli.call(['run', 'base', '--', 'ls', '/more'])).code).toBe(1);
    const third = await cli.json<Committed>('commit', 'work', 'base:2.0.0');
    expect(third).toMatchObject({parent: second, tags: ['latest', '2.0.0']});
    expect(await cli.ok('run', 'base', '--', 'cat', '/more')).toBe('more');

    expect(await cli.ok('session', 'end', 'work', '--commit')).toMatch(/^[0-9a-z]{16}$/);
    expect(existsSync(path)).toBe(false);
    expect(await cli.json('session', 'list')).toEqual([]);
    expect((await cli.call(['exec', 'work', '--', 'true'])).code).toBe(125);
    expect((await cli.call(['session', 'end', 'work'])).code).toBe(3);
    expect(await cli.ok('doctor')).toBe('all is well');
    expect(mountsOf().filter(({mountPoint}) => mountPoint.startsWith(cli.store))).toEqual([]);
  });

  test('a session is committed while a command runs in it, which is stopped meanwhile and goes on', async () => {
    const cli = new Cli({driver});
    await cli.importRoot();
    await cli.ok('session', 'begin', 'base', '--name', 'busy');
    // Where there is one slow processor for all, it must not take that.
    const pause = SLOWNESS > 1 ? 'sleep 0.1; ' : '';
    const child = cli.start([
      'exec',
      'busy',
      '--',
      'sh',
      '-c',
      `i=0; while [ ! -e /stop ]; do ${pause}i=$((i+1)); echo $i > /t; mv /t /a; echo $i > /t; mv /t /b; done`,
    ]);
    const path = await cli.ok('session', 'path', 'busy');
    while (!existsSync(join(path, 'b'))) await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await cli.json<{state: string}[]>('ps'))[0]?.state).toBe('running');
    expect((await cli.call(['session', 'end', 'busy'])).code).toBe(5);

    await cli.ok('commit', 'busy');
    const [a = '', b = ''] = (await cli.ok('run', 'base', '--', 'cat', '/a', '/b')).split('\n');
    expect(Number(a) - Number(b)).toBeGreaterThanOrEqual(0);
    expect(Number(a) - Number(b)).toBeLessThanOrEqual(1);

    const before = readFileSync(join(path, 'a'), 'utf8');
    while (readFileSync(join(path, 'a'), 'utf8') === before)
      await new Promise((resolve) => setTimeout(resolve, 20));
    await cli.ok('session', 'rm', '--force', 'busy');
    child.kill('SIGKILL');
    expect(await cli.json('ps')).toEqual([]);
    expect(await cli.ok('doctor')).toBe('all is well');
  });

  test('directories of the image are renamed in a run and in a session, and the versions have them so', async () => {
    const cli = new Cli({driver});
    await cli.importRoot();
    const commit = (script: string): Promise<string> =>
      cli.ok('run', 'base', '--commit', '--', 'sh', '-ec', script);
    // mv(1) would copy what cannot be renamed, and the file would be another one.
    const rename = (from: string, to: string): string =>
      `n=$(stat -c %i ${from}/dir/file); mv ${from} ${to}; [ $(stat -c %i ${to}/dir/file) = $n ];`;
    await commit('mkdir -p /first/dir; echo 1 > /first/dir/file');
    await commit(rename('/first', '/second'));
    expect(await cli.ok('diff', 'base')).toBe(
      [
        'D /first',
        'D /first/dir',
        'D /first/dir/file',
        'A /second',
        'A /second/dir',
        'A /second/dir/file',
      ].join('\n'),
    );
    await cli.ok('session', 'begin', 'base', '--name', 'work');
    const child = cli.start([
      'exec',
      'work',
      '--',
      'sh',
      '-ec',
      `${rename('/second', '/usr/third')} sleep 60`,
    ]);
    const path = await cli.ok('session', 'path', 'work');
    while (!existsSync(join(path, 'usr/third'))) await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await cli.ok('diff', 'work')).split('\n')).toContain('A /usr/third/dir/file');
    await cli.ok('commit', 'work');
    child.kill('SIGKILL');
    expect(await cli.ok('run', 'base', '--', 'cat', '/usr/third/dir/file')).toBe('1');
    await cli.ok('exec', 'work', '--', 'sh', '-ec', `${rename('/usr/third', '/tmp/fourth')} rmdir /root`);
    await cli.ok('session', 'end', 'work', '--commit');
    const script = 'cat /tmp/fourth/dir/file; ls -d /first /second /usr/third /root 2>/dev/null';
    expect((await cli.call(['run', 'base', '--', 'sh', '-c', script])).stdout).toBe('1\n');
    expect(await cli.ok('doctor')).toBe('all is well');
  });

  test('export and import give the same root again', async () => {
    const cli = new Cli({driver});
    await cli.importRoot();
    await cli.ok(
      'update',
      'base',
      '--',
      'sh',
      '-c',
      'ln -s /nowhere /link; chmod 4755 /bin/busybox; chown 7:8 /etc/passwd',
    );
    // The formats have nothing to do with the driver.
    const formats = SLOWNESS > 1 ? ['tar.zst'] : ['tar', 'tar.gz', 'tar.xz', 'tar.zst'];
    for (const name of formats.map((format) => `root.${format}`)) {
      await cli.ok('export', 'base', name);
      await cli.ok('import', name, 'again');
      expect(await cli.json('diff', 'base', 'again')).toEqual([]);
    }
  });
});

test('an import through a pipe gives the same root', async () => {
  const cli = new Cli();
  await cli.importRoot();
  await cli.ok('export', 'base', 'root.tar');
  const input = readFileSync(join(cli.directory, 'root.tar'));
  const piped = await cli.call(['import', '-', 'piped:1.0.0', '--json'], {input});
  expect(JSON.parse(piped.stdout)).toMatchObject({image: 'piped', tags: ['latest', '1.0.0'], parent: null});
  expect(await cli.json('diff', 'base', 'piped')).toEqual([]);
});

describe('conflicts', () => {
  test('a commit on a moved tag ends with 4, changes nothing, keeps the session and names the ways on', async () => {
    const cli = new Cli();
    await cli.importRoot();
    await cli.ok('session', 'begin', 'base', '--name', 'late');
    await cli.ok('exec', 'late', '--', 'touch', '/late');
    await cli.ok('update', 'base', '--', 'touch', '/early');
    const before = await cli.json('images');

    const {code, stderr} = await cli.call(['commit', 'late']);
    expect(code).toBe(4);
    expect(stderr).toMatch(/chrootctl update/);
    expect(stderr).toMatch(/commit late IMAGE:TAG/);
    expect(stderr).toMatch(/--force/);
    expect(await cli.json('images')).toEqual(before);
    const failed = await cli.call(['session', 'end', 'late', '--commit', '--json']);
    expect([failed.code, JSON.parse(failed.stdout)]).toEqual([
      4,
      {error: expect.objectContaining({code: 'CONFLICT'})},
    ]);
    await cli.ok('exec', 'late', '--', 'ls', '/late');

    expect(await cli.json('commit', 'late', 'base:aside')).toMatchObject({tags: ['aside']});
    await cli.ok('run', 'base', '--', 'ls', '/early');
    await cli.ok('exec', 'late', '--', 'touch', '/later');
    expect((await cli.call(['commit', 'late'])).code).toBe(4);
    expect(await cli.json('commit', 'late', '--force')).toMatchObject({tags: ['latest']});
    await cli.ok('run', 'base', '--', 'ls', '/later');
    await cli.ok('session', 'end', 'late');
  });

  test('run --commit that comes too late keeps its result as a session', async () => {
    const cli = new Cli();
    await cli.importRoot();
    const slow = cli.start(['run', 'base', '--commit', '--', 'sh', '-c', 'touch /slow; echo started; cat']);
    await new Promise((resolve) => slow.stdout?.once('data', resolve));
    await cli.ok('update', 'base', '--', 'touch', '/fast');
    slow.stdin?.end();
    const {code, stderr} = await new Promise<{code: number; stderr: string}>((resolve) => {
      let text = '';
      slow.stderr?.on('data', (chunk) => (text += String(chunk)));
      slow.once('close', (exit) => resolve({code: exit ?? -1, stderr: text}));
    });
    expect(code).toBe(4);
    const session = /session ([0-9a-z]+) keeps the work/.exec(stderr)?.[1] ?? '';
    expect(await cli.ok('exec', session, '--', 'ls', '/slow')).toBe('/slow');
    await cli.ok('commit', session, 'base:slow');
    await cli.ok('run', 'base:slow', '--', 'ls', '/slow');
    await cli.ok('session', 'end', session);
    expect(await cli.ok('doctor')).toBe('all is well');
  });

  test('update runs again on what another commit made, and gives up with 4 when told not to', async () => {
    const cli = new Cli();
    await cli.importRoot();
    const flag = join(cli.directory, 'flag');
    writeFileSync(flag, '');
    const wait =
      'echo started; while [ -e /host/flag ]; do sleep 0.05; done; ls /other 2>/dev/null; touch /mine';
    for (const retries of ['0', '3']) {
      writeFileSync(flag, '');
      const slow = cli.start([
        'update',
        'base',
        '--retries',
        retries,
        '-v',
        `${cli.directory}:/host`,
        '--',
        'sh',
        '-c',
        wait,
      ]);
      const ended = new Promise<number>((resolve) => slow.once('close', (code) => resolve(code ?? -1)));
      await new Promise((resolve) => slow.stdout?.once('data', resolve));
      await cli.ok('update', 'base', '--', 'sh', '-c', 'echo x >> /other');
      await cli.ok('run', 'base', '-v', `${cli.directory}:/host`, '--', 'rm', '/host/flag');
      expect(await ended).toBe(retries === '0' ? 4 : 0);
      expect((await cli.call(['run', 'base', '--', 'ls', '/mine'])).code).toBe(retries === '0' ? 1 : 0);
    }
    await cli.ok('run', 'base', '--', 'ls', '/other');
    expect(await cli.json('ps')).toEqual([]);
  });

  test('a command that fails changes nothing, and its exit code is ours', async () => {
    const cli = new Cli();
    await cli.importRoot();
    expect((await cli.call(['update', 'base', '--', 'sh', '-c', 'touch /x; exit 42'])).code).toBe(42);
    expect((await cli.call(['run', 'base', '--commit', '--', 'sh', '-c', 'exit 7'])).code).toBe(7);
    expect(await cli.json<unknown[]>('images')).toHaveLength(1);
  });
});

test('a directory that holds the store is not imported into it', async () => {
  const cli = new Cli();
  const {code, stderr} = await cli.call(['import', cli.directory, 'base']);
  expect([code, stderr]).toEqual([2, expect.stringMatching(/contains the store/)]);
  await cli.ok('import', busyboxRoot(), 'base');
});

test('a directory that cannot be packed is not taken for an empty one', async () => {
  const cli = new Cli();
  const programs = join(cli.directory, 'programs');
  mkdirSync(programs);
  writeFileSync(join(programs, 'bwrap'), '#!/bin/sh\necho "bwrap: not today" >&2\nexit 1\n', {mode: 0o755});
  const env = {PATH: `${programs}:${process.env['PATH'] ?? ''}`};
  const {code, stderr} = await cli.call(['import', busyboxRoot(), 'base'], {env});
  expect([code, stderr]).toEqual([1, expect.stringContaining('bwrap: not today')]);
});

test('a session can be ended while a run that began after it goes on', async () => {
  const cli = new Cli();
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'short');
  const long = cli.start(['run', 'base', '--', 'sh', '-c', 'echo started; cat']);
  await new Promise((resolve) => long.stdout?.once('data', resolve));
  await cli.ok('session', 'end', 'short');
  long.stdin?.end();
  expect(await new Promise((resolve) => long.once('close', resolve))).toBe(0);
});

test('all works in a process id namespace that has few processes, as a container has', () => {
  const cli = new Cli();
  const root = busyboxRoot();
  // Nobody has the first numbers any more.
  const script = `set -e
    for n in 1 2 3 4 5 6 7 8; do sh -c :; done
    "$0" import ${root} base
    "$0" run base --commit -- touch /new
    "$0" export base root.tar
    "$0" import root.tar again
    "$0" diff base again
    "$0" run again -- ls /new`;
  const words = ['--mount', '--pid', '--fork', '--mount-proc', 'sh', '-c', script, BINARY];
  const env = {PATH: process.env['PATH'], CHROOTCTL_ROOT: cli.store};
  const {status, stdout, stderr} = spawnSync('unshare', words, {env, cwd: cli.directory, encoding: 'utf8'});
  expect([status, stdout, stderr]).toEqual([
    0,
    expect.stringMatching(/^\w+\n\w+\n\/new\n$/),
    expect.any(String),
  ]);
});
