import {describe, expect, test} from '@jest/globals';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {readIfExists, removeIfExists, writeAtomically, writeDurably} from '../../src/system/files.ts';
import {withLock} from '../../src/system/lock.ts';
import {temporaryDirectory} from '../temporary.ts';

describe.each([
  ['durably', writeDurably],
  ['atomically', writeAtomically],
])('writing %s', (_how, write) => {
  test('replaces a file and leaves nothing beside it', () => {
    const directory = temporaryDirectory();
    const file = join(directory, 'file');
    write(file, 'one');
    write(file, 'two', 0o600);
    expect(readFileSync(file, 'utf8')).toBe('two');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(['file']);
  });

  test('goes on where what was being written is collected', async () => {
    const directory = temporaryDirectory();
    const script = 'echo up; while :; do rm -f "$0"/*.tmp; sleep 0.001; done';
    const collector = spawn('sh', ['-c', script, directory], {stdio: ['ignore', 'pipe', 'inherit']});
    await once(collector.stdout, 'data');
    for (let count = 0; count < 300; count++) write(join(directory, 'file'), String(count));
    collector.kill('SIGKILL');
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('299');
    expect(readdirSync(directory)).toEqual(['file']);
  });

  test('that fails leaves the old content and nothing beside it', () => {
    const directory = temporaryDirectory();
    expect(() => write(join(directory, 'missing/file'), 'x')).toThrow(/ENOENT/);
    const taken = join(directory, 'taken');
    writeFileSync(join(directory, 'x'), '');
    expect(() => write(join(directory, 'x/file'), 'x')).toThrow(/ENOTDIR/);
    expect(readIfExists(taken)).toBeUndefined();
    expect(readdirSync(directory)).toEqual(['x']);
  });
});

test('removing says whether there was something', () => {
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, '');
  expect([removeIfExists(file), removeIfExists(file)]).toEqual([true, false]);
});

describe('locks', () => {
  test('are held by one at a time', async () => {
    const file = join(temporaryDirectory(), 'lock');
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({length: 8}, () =>
        withLock(file, async () => {
          most = Math.max(most, ++inside);
          await new Promise((resolve) => setTimeout(resolve, 5));
          inside--;
        }),
      ),
    );
    expect(most).toBe(1);
  });

  test('are free again when the work failed', async () => {
    const file = join(temporaryDirectory(), 'lock');
    await expect(withLock(file, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(withLock(file, () => Promise.resolve(1))).resolves.toBe(1);
  });
});
