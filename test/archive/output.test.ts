/** Archives that go to what is open already. */
import {expect, test} from '@jest/globals';
import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, openSync} from 'node:fs';
import {Socket} from 'node:net';
import {join} from 'node:path';
import {writeOutput} from '../../src/archive/output.ts';
import {Child, type Ended} from '../../src/system/child.ts';
import {temporaryDirectory} from '../temporary.ts';

const MUCH = 1_000_000;

function check({code, stderr}: Ended): void {
  if (code !== 0) throw new Error(`ended with ${code}: ${stderr}`);
}

test('a pipe that is set not to wait meanwhile takes all of it, however slow its reader is', async () => {
  const pipe = join(temporaryDirectory(), 'pipe');
  execFileSync('mkfifo', [pipe]);
  const reader = spawn('sh', ['-c', 'exec <"$0"; sleep 0.3; wc -c', pipe], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const count = once(reader.stdout, 'data');
  const fd = openSync(pipe, 'w');
  const written = writeOutput(fd, {
    start: (stdout) => new Child('head', ['-c', String(MUCH), '/dev/zero'], ['ignore', stdout]),
    check,
    signal: undefined,
  });
  // As Node does with its own output, when somebody looks at process.stdout.
  const looked = new Socket({fd, readable: false, writable: true});
  await written;
  looked.destroy();
  expect(Number(await count)).toBe(MUCH);
});

test('a pipe whose reader has gone is told of at once', async () => {
  const pipe = join(temporaryDirectory(), 'pipe');
  execFileSync('mkfifo', [pipe]);
  const both = openSync(pipe, 'r+');
  const fd = openSync(pipe, 'w');
  closeSync(both);
  const start = (stdout: 'pipe' | number): Child => new Child('true', [], ['ignore', stdout]);
  await expect(writeOutput(fd, {start, check, signal: undefined})).rejects.toMatchObject({
    code: 'FAILED',
    message: expect.stringContaining('the reader of the archive went away') as unknown,
  });
  closeSync(fd);
});
