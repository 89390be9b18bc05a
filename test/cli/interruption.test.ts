/** Long work ends when it is told to, and leaves nothing behind. */
import {afterEach, describe, expect, test} from '@jest/globals';
import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import type {Readable} from 'node:stream';
import {archive, directory, file} from '../archive/tar-bytes.ts';
import {temporaryDirectory} from '../temporary.ts';
import {eventually} from '../eventually.ts';
import {busyboxRoot, Cli, cleanUp, outcomeOf} from './chrootctl.ts';

afterEach(cleanUp);

/** Loaded into the program: its first large read sends it a signal, and from then on reading is slow. */
const HOOK = `
const fs = require('fs');
const {readSync} = fs;
let isTold = false;
fs.readSync = (...args) => {
  if (args[3] >= MOST) {
    if (!isTold) process.kill(process.pid, 'SIGTERM');
    isTold = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
  }
  return readSync(...args);
};`;

function hooked(cli: Cli, most: number): {env: Record<string, string>} {
  const file = join(cli.directory, 'hook.cjs');
  writeFileSync(file, HOOK.replace('MOST', String(most)));
  return {env: {NODE_OPTIONS: `--require ${file}`}};
}

const INTERRUPTED = {
  code: 143,
  stdout: '',
  stderr: expect.stringMatching(/^chrootctl: interrupted by SIGTERM\n/),
};

test('diff of a large file', async () => {
  const cli = new Cli({driver: 'directory'});
  await cli.importRoot();
  const dd = ['dd', 'if=/dev/zero', 'of=/large', 'bs=1M', 'count=40'];
  await cli.ok('run', '--commit', '-q', 'base', '--', ...dd);
  await cli.ok('run', '--commit', '-q', 'base', '--', 'touch', '-d', '2001-01-01 00:00:00', '/large');
  expect(await cli.call(['diff', 'base'], hooked(cli, 1 << 18))).toEqual(INTERRUPTED);
  expect(readdirSync(join(cli.store, 'sessions'))).toEqual([]);
  expect(await cli.ok('diff', 'base')).toBe('');
});

/** What is there without waiting. */
function readNow(fd: number, into: Buffer): number {
  try {
    return readSync(fd, into);
  } catch {
    return 0;
  }
}

test('diff whose reader has stopped', async () => {
  const cli = new Cli();
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const root = await cli.ok('session', 'path', 'work');
  for (let index = 0; index < 1000; index++) writeFileSync(join(root, String(index).padStart(250, 'f')), '');
  const pipe = join(cli.directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  for (const form of [[], ['--json']]) {
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const child = cli.start(['diff', 'work', ...form], {through: ['sh', '-c', `exec "$@" >${pipe}`, 'sh']});
    const ended = outcomeOf(child);
    const part = Buffer.alloc(1000);
    // More than the pipe takes is to come, and nobody takes it.
    await eventually(() => readNow(reader, part) === part.length);
    child.kill('SIGTERM');
    expect(await ended).toEqual({...INTERRUPTED, stderr: expect.stringContaining('interrupted by SIGTERM')});
    // The error is beside the part of the answer.
    expect(part.toString()).toMatch(form.length === 0 ? /^A \/f/ : /^\[\n {2}\{/);
    closeSync(reader);
  }
  expect(readdirSync(join(cli.store, 'sessions'))).toEqual(['work.json']);
});

test('the check of an archive', async () => {
  const cli = new Cli();
  await cli.importRoot();
  const tar = join(cli.directory, 'root.tar');
  writeFileSync(tar, archive(directory('bin'), ...Array.from({length: 6000}, (_, i) => file(`bin/${i}`))));
  expect(await cli.call(['import', tar, 'other'], hooked(cli, 1 << 16))).toEqual(INTERRUPTED);
  expect(await cli.ok('doctor')).toBe('all is well');
  expect((await cli.call(['inspect', 'other'])).code).toBe(3);
});

/** In place of a program: says that it was started, and never ends. */
const ENDLESS = '#!/bin/sh\n: > "$0.started"\nexec sleep 1000\n';

/** Which commands wait for which programs, and on which drivers. */
const PROGRAMS = [
  ['directory', 'cp', ['session', 'begin', 'base']],
  ['directory', 'cp', ['run', 'base', '--', 'true']],
  ['directory', 'cp', ['update', 'base', '--', 'touch', '/x']],
  ['directory', 'cp', ['commit', 'busy', 'other']],
  ['directory', 'getfattr', ['diff', 'work']],
  ['directory', 'perl', ['diff', 'holes']],
  ['directory', 'du', ['ps', '--size']],
  ['overlay', 'cp', ['commit', 'busy', 'other']],
  ['overlay', 'getfattr', ['session', 'end', 'work', '--commit']],
  ['btrfs', 'btrfs', ['run', '--clone', 'native', 'base', '--', 'true']],
  ['btrfs', 'btrfs', ['commit', 'busy', 'other']],
] as const;

describe.each(['directory', 'overlay', 'btrfs'])('on %s', (driver) => {
  const cases = PROGRAMS.filter(([on]) => on === driver);

  test('what waits for a program ends, and the program with it', async () => {
    const cli = new Cli({driver});
    await cli.importRoot();
    await cli.ok('session', 'begin', 'base', '--name', 'holes');
    await cli.ok('exec', 'holes', '--', 'dd', 'if=/etc/passwd', 'of=/holes', 'bs=1M', 'seek=100');
    await cli.ok('commit', '-q', 'holes');
    await cli.ok('exec', 'holes', '--', 'touch', '-d', '2001-01-01 00:00:00', '/holes');
    for (const name of ['work', 'busy']) await cli.ok('session', 'begin', 'base', '--name', name);
    await cli.ok('exec', 'work', '--', 'touch', '/made');
    const busy = cli.start(['exec', 'busy', '--', 'sh', '-c', 'echo && sleep 1000']);
    await once(busy.stdout as Readable, 'data');
    const before = await things(cli);
    for (const [, program, words] of cases) {
      const fakes = temporaryDirectory();
      const fake = join(fakes, program);
      writeFileSync(fake, ENDLESS, {mode: 0o755});
      const child = cli.start(words, {env: {PATH: `${fakes}:${process.env['PATH'] ?? ''}`}});
      const ended = outcomeOf(child);
      expect({words, isThere: await eventually(() => existsSync(`${fake}.started`))}).toEqual({
        words,
        isThere: true,
      });
      child.kill('SIGTERM');
      const {code, stderr} = await ended;
      const expected = words[0] === 'run' ? 125 : 143;
      expect({words, code, stderr}).toEqual({
        words,
        code: expected,
        stderr: expect.stringContaining('interrupted by SIGTERM'),
      });
      expect({words, things: await things(cli)}).toEqual({words, things: before});
    }
    expect(await cli.ok('doctor')).toBe('all is well');
    busy.kill('SIGKILL');
  });
});

/** Commands by the lock that they wait for, below the store. */
const LOCKS = {
  'locks/image-base.lock': [
    ['import', 'ROOT', 'base'],
    ['commit', 'work'],
    ['session', 'end', 'work', '--commit'],
    ['run', '--commit', 'base', '--', 'true'],
    ['update', 'base', '--', 'touch', '/x'],
    ['tag', 'base', 'mine'],
    ['rollback', 'base'],
    ['policy', 'base', '--profile', 'buildd'],
    ['rm', '--force', 'base'],
    ['prune'],
  ],
  'locks/session-work.lock': [
    ['commit', 'work'],
    ['session', 'end', 'work'],
    ['session', 'rm', 'work'],
  ],
  'volumes/.lock': [['doctor', '--fix'], ['gc']],
} as const;

test.each(Object.entries(LOCKS))('what waits for %s ends, and changes nothing', async (lock, commands) => {
  const cli = new Cli();
  const root = busyboxRoot();
  await cli.ok('import', root, 'base');
  await cli.ok('run', '--commit', '-q', 'base', '--', 'touch', '/first');
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  await cli.ok('exec', 'work', '--', 'touch', '/made');
  const before = await things(cli);
  const holder = spawn('flock', ['--no-fork', join(cli.store, lock), 'sh', '-c', 'echo && exec sleep 1000']);
  await once(holder.stdout, 'data');
  for (const words of commands) {
    const child = cli.start(words.map((word) => (word === 'ROOT' ? root : word)));
    const ended = outcomeOf(child);
    expect({
      words,
      waits: await eventually(() => waitsForLock(child.pid ?? 0, join(cli.store, lock))),
    }).toEqual({
      words,
      waits: true,
    });
    child.kill('SIGTERM');
    const stderr = expect.stringContaining('interrupted by SIGTERM');
    expect({words, ...(await ended)}).toEqual({
      words,
      code: words[0] === 'run' ? 125 : 143,
      stdout: '',
      stderr,
    });
    expect({words, things: await things(cli)}).toEqual({words, things: before});
  }
  holder.kill();
  expect(await cli.ok('doctor')).toBe('all is well');
});

/** It has others on the way, which nobody else holds. */
function waitsForLock(pid: number, lock: string): boolean {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    return children.some((child) => child !== '' && readlinkSync(`/proc/${child}/fd/3`) === lock);
  } catch {
    return false; // One of them has ended meanwhile.
  }
}

/** What a command that was ended must not have changed. */
async function things(cli: Cli): Promise<unknown> {
  return [
    await cli.json<unknown[]>('images'),
    readdirSync(join(cli.store, 'sessions')).sort(),
    readdirSync(join(cli.store, 'volumes')).sort(),
    readdirSync(cli.directory)
      .filter((name) => name !== 'store')
      .sort(),
  ];
}
