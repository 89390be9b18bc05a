import {afterEach, beforeEach, expect, test} from '@jest/globals';
import {spawn, spawnSync} from 'node:child_process';
import {closeSync, existsSync, openSync, renameSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {once} from 'node:events';
import {join} from 'node:path';
import {isHeld, isLocked, lockForLife} from '../../src/system/life.ts';
import {cleanUp, temporaryDirectory} from '../temporary.ts';

afterEach(cleanUp);

let path: string;
beforeEach(() => {
  path = join(temporaryDirectory(), 'file');
  writeFileSync(path, '', {mode: 0o600});
});

/** What another pid namespace says of a lock: 0 is free. */
function triedElsewhere(): number | null {
  const words = ['--pid', '--fork', '--mount-proc', 'flock', '--nonblock', path, 'true'];
  return spawnSync('unshare', words).status;
}

test('a lock for life is held until the file is closed, as everybody sees; before it there is nothing to tell', async () => {
  const fd = openSync(path, 'r+');
  expect([isHeld(path), isLocked(path)]).toEqual([undefined, false]);
  await lockForLife(fd, path);
  expect([isHeld(path), isLocked(path), triedElsewhere()]).toEqual([true, true, 1]);
  expect(statSync(path).mode & 0o777).toBe(0o400);
  closeSync(fd);
  expect([isHeld(path), isLocked(path), triedElsewhere()]).toEqual([false, false, 0]);
});

test('who only tries keeps nobody from trying', async () => {
  const fd = openSync(path, 'r+');
  await lockForLife(fd, path);
  closeSync(fd);
  const child = spawn('flock', ['--shared', path, 'sh', '-c', 'echo up; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  expect(isHeld(path)).toBe(false);
  child.stdin.end();
  await once(child, 'close');
});

test('of a file that is gone, or that is another by now, nothing is known', async () => {
  const fd = openSync(path, 'r+');
  await lockForLife(fd, path);
  writeFileSync(`${path}.new`, '', {mode: 0o600});
  renameSync(`${path}.new`, path);
  expect(isHeld(path)).toBe(undefined);
  closeSync(fd);
  rmSync(path);
  expect([isHeld(path), isLocked(path), existsSync(path)]).toEqual([undefined, undefined, false]);
});
