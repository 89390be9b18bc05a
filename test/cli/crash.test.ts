import {describe, expect, test} from '@jest/globals';
import {execFileSync, spawnSync} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {startOf} from '../../src/system/identity.ts';
import {mountsOf} from '../../src/system/mounts.ts';
import {dyingAt} from '../crash-points/steps.ts';
import {busyboxRoot, Cli} from './chrootctl.ts';
import {contents} from './contents.ts';
import {DRIVERS, SLOWNESS} from './drivers.ts';

function mountsBelow(store: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
          .split('\n')
          .filter((line) => line.includes(store));
      } catch {
        return []; // It ended.
      }
    });
}

/** Processes with this command line. */
function pidsOf(command: string): string[] {
  return spawnSync('pgrep', ['-fx', command], {encoding: 'utf8'}).stdout.split('\n').filter(Boolean);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe.each(DRIVERS)('kill -9 on %s', (driver) => {
  test('of a run leaves no process and no mount, and gc leaves no byte of it', async () => {
    const cli = new Cli({driver});
    await cli.importRoot();
    await cli.ok('run', 'base', '--', 'true');
    const before = contents(cli.store);

    const child = cli.start([
      'run',
      'base',
      '--',
      'sh',
      '-c',
      'dd if=/dev/zero of=/big bs=1M count=5 2>/dev/null; sleep 987 & echo ready; sleep 986',
    ]);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const inside = execFileSync('pgrep', ['-f', 'sleep 98[67]'], {encoding: 'utf8'})
      .trim()
      .split('\n')
      .map(Number);
    expect(inside.length).toBeGreaterThanOrEqual(2);
    child.kill('SIGKILL');
    await until(() => inside.every((pid) => startOf(pid) === undefined));
    await until(() => mountsBelow(cli.store).length === 0);

    expect(await cli.json('ps')).toEqual([
      expect.objectContaining({image: 'base', state: 'dead', ephemeral: true}),
    ]);
    expect((await cli.call(['doctor'])).code).toBe(1);
    expect((await cli.ok('gc')).split('\n')).toEqual([expect.stringMatching(/its process .* is gone/)]);
    expect(contents(cli.store)).toBe(before);
    expect(await cli.ok('doctor')).toBe('all is well');
  });

  test('of a run --commit at a random moment leaves the old state or the new one', async () => {
    const cli = new Cli({driver});
    await cli.importRoot();
    for (let round = 0; round < 12 / Math.min(SLOWNESS, 6); round++) {
      const before = await cli.json<{version: string}[]>('images');
      const child = cli.start(['run', 'base', '--commit', '--', 'sh', '-c', `echo ${round} > /round`]);
      const ended = new Promise((resolve) => child.once('close', resolve));
      await new Promise((resolve) => setTimeout(resolve, (40 + Math.random() * 400) * SLOWNESS));
      child.kill('SIGKILL');
      await ended;
      await cli.ok('run', 'base', '--', 'true');
      await cli.ok('gc');
      expect(await cli.ok('doctor')).toBe('all is well');
      const after = await cli.json<{version: string}[]>('images');
      expect([before.length, before.length + 1]).toContain(after.length);
      expect(after.slice(after.length - before.length)).toEqual(
        before.map((v) => ({...v, tags: expect.any(Array)})),
      );
      if (after.length > before.length)
        expect(await cli.ok('run', 'base', '--', 'cat', '/round')).toBe(`${round}`);
    }
  }, 300_000);

  test('of an import leaves nothing that gc does not collect', async () => {
    const cli = new Cli({driver});
    await cli.importRoot('other');
    const before = contents(cli.store);
    const child = cli.start(['import', '-', 'base']);
    child.stdin?.on('error', () => undefined);
    const tar = execFileSync('tar', ['-C', '/usr/share', '-c', 'common-licenses'], {maxBuffer: 2 ** 26});
    child.stdin?.write(tar.subarray(0, tar.length / 2));
    await until(() => readdirSync(join(cli.store, 'sessions')).length > 0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    await cli.ok('gc');
    expect(contents(cli.store)).toBe(before);
    expect(await cli.ok('doctor')).toBe('all is well');
  });
});

describe('kill -9 ends the programs that chrootctl has started', () => {
  /** Stands in for a program: starts another one, and both go on for long. */
  async function killedWhile(program: string, driver: string, words: readonly string[]): Promise<void> {
    const cli = new Cli({driver});
    await cli.importRoot();
    const programs = join(cli.directory, 'programs');
    mkdirSync(programs);
    const marker = `sleep 98${Math.floor(Math.random() * 1e6)}`;
    writeFileSync(join(programs, program), `#!/bin/sh\n${marker} &\n${marker}\n`, {mode: 0o755});
    const child = cli.start(words, {env: {PATH: `${programs}:${process.env['PATH'] ?? ''}`}});
    const running = (): string[] => pidsOf(marker);
    await until(() => running().length >= 2);
    child.kill('SIGKILL');
    try {
      for (let waited = 0; running().length > 0 && waited < 5000; waited += 20)
        await new Promise((resolve) => setTimeout(resolve, 20));
      expect(running()).toEqual([]);
    } finally {
      for (const pid of running()) process.kill(Number(pid), 'SIGKILL');
    }
  }

  test('to make a clone', () => killedWhile('cp', 'directory', ['run', 'base', '--', 'true']));
  test('to pack a version', () => killedWhile('bwrap', 'overlay', ['export', 'base', '-']));
  test('to unpack one', () => killedWhile('bwrap', 'overlay', ['import', busyboxRoot(), 'base']));
});

describe('interruption', () => {
  test('Ctrl-C during an import cleans up and ends with 130', async () => {
    const cli = new Cli();
    await cli.importRoot('other');
    const before = contents(cli.store);
    const child = cli.start(['import', '-', 'base']);
    let stderr = '';
    child.stderr?.on('data', (chunk) => (stderr += String(chunk)));
    child.stdin?.on('error', () => undefined);
    child.stdin?.write(Buffer.alloc(512));
    await until(
      () => existsSync(join(cli.store, 'sessions')) && readdirSync(join(cli.store, 'sessions')).length > 0,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.kill('SIGINT');
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(130);
    expect(stderr).toMatch(/interrupted/);
    expect(contents(cli.store)).toBe(before);
  });

  test('SIGTERM reaches the command, whose end is reported', async () => {
    const cli = new Cli();
    await cli.importRoot();
    const child = cli.start([
      'run',
      'base',
      '--',
      'sh',
      '-c',
      'trap "echo told; exit 9" TERM; echo ready; while :; do sleep 0.1; done',
    ]);
    let stdout = '';
    child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
    await until(() => stdout.includes('ready'));
    child.kill('SIGTERM');
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(9);
    expect(stdout).toBe('ready\ntold\n');
    expect(await cli.json('ps')).toEqual([]);
  });
});

test('a session that lost its mount, as after a reboot, comes back', async () => {
  const cli = new Cli();
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'kept');
  await cli.ok('exec', 'kept', '--', 'touch', '/here');
  const path = await cli.ok('session', 'path', 'kept');
  execFileSync('umount', [path]);
  expect(await cli.json('ps')).toEqual([expect.objectContaining({id: 'kept', state: 'idle', root: null})]);
  expect(await cli.ok('exec', 'kept', '--', 'ls', '/here')).toBe('/here');
  execFileSync('umount', [path]);
  await cli.ok('commit', 'kept');
  expect(await cli.ok('run', 'base', '--', 'ls', '/here')).toBe('/here');
  await cli.ok('session', 'end', 'kept');
  expect(await cli.ok('doctor')).toBe('all is well');
});

test('nobody else can use the clone of a run, or of a session that is not there yet', async () => {
  const cli = new Cli();
  await cli.importRoot();
  const child = cli.start(['run', 'base', '--', 'sh', '-c', 'echo ready; read -r _']);
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  const [running] = await cli.json<{id: string}[]>('ps');
  for (const words of [
    ['exec', running?.id ?? '', '--', 'true'],
    ['session', 'path', running?.id ?? ''],
    ['commit', running?.id ?? ''],
  ]) {
    const {code, stderr} = await cli.call(words);
    expect([code, stderr]).toEqual([words[0] === 'exec' ? 125 : 5, expect.stringMatching(/ends by itself/)]);
  }
  expect(mountsOf().filter(({mountPoint}) => mountPoint.startsWith(cli.store))).toEqual([]);
  child.stdin?.end('\n');
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
  expect(await cli.ok('doctor')).toBe('all is well');

  await cli.call(['session', 'begin', 'base', '--name', 'work'], {
    env: dyingAt(cli.directory, {name: 'mkdir store/volumes/VOLUME.tmp', occurrence: 1}),
  });
  expect(await cli.call(['session', 'path', 'work'])).toMatchObject({
    code: 5,
    stderr: expect.stringMatching(/was never there.*\n.*session rm work/),
  });
  await cli.ok('session', 'rm', 'work');
  expect(await cli.ok('doctor')).toBe('all is well');
});

describe('a commit that dies after its tag has moved is kept', () => {
  const ends = [
    ['session', 'end', 'work'],
    ['session', 'rm', 'work'],
    ['commit', 'work', 'third'],
    ['exec', 'work', '--', 'true'],
  ];
  const commits = [
    {words: ['commit', 'work'], image: 'base'},
    {words: ['commit', 'work', 'other:1.0'], image: 'other'},
    {words: ['session', 'end', 'work', '--commit'], image: 'base'},
  ];
  test.each(commits.flatMap((commit) => ends.map((end) => ({...commit, end}))))(
    '$words, then $end',
    async ({words, image, end}) => {
      const cli = new Cli();
      await cli.importRoot();
      await cli.ok('session', 'begin', 'base', '--name', 'work');
      await cli.ok('exec', 'work', '--', 'touch', '/mine');
      await cli.call(words, {
        env: dyingAt(cli.directory, {
          name: `fsync store/images/${image}`,
          // A new image gets its tags file first, and a directory.
          occurrence: image === 'base' ? 1 : 3,
        }),
      });
      await cli.ok(...end);
      await cli.ok('gc');
      expect(await cli.ok('run', image, '--', 'ls', '/mine')).toBe('/mine');
      expect(await cli.ok('doctor')).toBe('all is well');
      expect((await cli.json<unknown[]>('images', image)).length).toBe(image === 'base' ? 2 : 1);
    },
  );

  test('also of a session in which a command runs', async () => {
    const cli = new Cli();
    await cli.importRoot();
    await cli.ok('session', 'begin', 'base', '--name', 'work');
    const child = cli.start(['exec', 'work', '--', 'sh', '-c', 'touch /mine; echo ready; read -r _']);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    await cli.call(['commit', 'work'], {
      env: dyingAt(cli.directory, {name: 'fsync store/images/base', occurrence: 1}),
    });
    child.stdin?.end('\n');
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    await cli.ok('session', 'end', 'work');
    expect(await cli.ok('run', 'base', '--', 'ls', '/mine')).toBe('/mine');
    expect(await cli.ok('doctor')).toBe('all is well');
  });
});

describe('a commit that fails before its tag has moved', () => {
  test.each([
    ['run', ['run', 'base', '--commit', '--', 'touch', '/new'], 125],
    ['update', ['update', 'base', '--', 'touch', '/new'], 6],
    ['import', ['import', '/usr/share/common-licenses', 'base'], 6],
    ['commit', ['commit', 'work'], 6],
    ['session end', ['session', 'end', 'work', '--commit'], 6],
  ])('(%s) leaves everything as it was', async (_what, args, code) => {
    const cli = new Cli();
    await cli.importRoot();
    await cli.ok('session', 'begin', 'base', '--name', 'work');
    await cli.ok('exec', 'work', '--', 'touch', '/mine');
    const before = await cli.json('images');
    // The record has been written when the history turns out not to be writable, even for root.
    const history = join(cli.store, 'images/base/history.jsonl');
    execFileSync('chattr', ['+i', history]);
    try {
      expect((await cli.call(args)).code).toBe(code);
    } finally {
      execFileSync('chattr', ['-i', history]);
    }
    expect(await cli.json('images')).toEqual(before);
    await cli.ok('exec', 'work', '--', 'sh', '-c', 'ls /mine && touch /more');
    await cli.ok('commit', 'work');
    expect(await cli.ok('run', 'base', '--', 'ls', '/more')).toBe('/more');
    await cli.ok('session', 'end', 'work');
    expect(await cli.ok('doctor')).toBe('all is well');
    expect(await cli.ok('gc')).toBe('');
  });
});
