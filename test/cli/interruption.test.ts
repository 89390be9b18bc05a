/** Long work ends when it is told to, and leaves nothing behind. */
import {afterEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {closeSync, constants, openSync, readdirSync, readSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {archive, directory, file} from '../archive/tar-bytes.ts';
import {eventually} from '../eventually.ts';
import {Cli, cleanUp, outcomeOf} from './chrootctl.ts';

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
