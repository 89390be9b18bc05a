import {describe, expect, test} from '@jest/globals';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {isAlive, self, startOf} from '../../src/system/identity.ts';

describe('owners', () => {
  test('this process is alive; one with another start is not', () => {
    expect(isAlive(self())).toBe(true);
    expect(isAlive({...self(), started: '1'})).toBe(false);
  });

  test('another boot id proves nothing: a container may have one of its own', () => {
    expect(isAlive({...self(), boot: 'another'})).toBe(true);
    expect(isAlive({...self(), boot: 'another', started: '1'})).toBe(false);
  });

  test('one in another pid namespace cannot be judged, and counts as alive', () => {
    expect(isAlive({...self(), pid: 4_194_303, namespace: 'pid:[1]'})).toBe(true);
    expect(isAlive({...self(), namespace: 'pid:[1]', boot: 'another'})).toBe(true);
  });

  test('one that ended is dead, also while nobody has waited for it', async () => {
    const child = spawn('sleep', ['60']);
    const pid = child.pid ?? 0;
    const owner = {...self(), pid, started: startOf(pid) ?? ''};
    expect(isAlive(owner)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isAlive(owner)).toBe(false);
  });

  test('a command name full of brackets does not confuse the count of fields', async () => {
    const child = spawn('bash', ['-c', 'exec -a "x) S 1 (y" sleep 60']);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(Number(startOf(child.pid ?? 0))).toBeGreaterThan(0);
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
});
