/** Long work ends when it is told to, and leaves nothing behind. */
import {afterEach, expect, test} from '@jest/globals';
import {readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {archive, directory, file} from '../archive/tar-bytes.ts';
import {Cli, cleanUp} from './chrootctl.ts';

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

test('the check of an archive', async () => {
  const cli = new Cli();
  await cli.importRoot();
  const tar = join(cli.directory, 'root.tar');
  writeFileSync(tar, archive(directory('bin'), ...Array.from({length: 6000}, (_, i) => file(`bin/${i}`))));
  expect(await cli.call(['import', tar, 'other'], hooked(cli, 1 << 16))).toEqual(INTERRUPTED);
  expect(await cli.ok('doctor')).toBe('all is well');
  expect((await cli.call(['inspect', 'other'])).code).toBe(3);
});
