import {describe, expect, test} from '@jest/globals';
import {existsSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {isPlain} from '../../src/sandbox/environment.ts';
import {failureOf, reportedExitCode} from '../../src/sandbox/outcome.ts';
import {parseLdd, toolbox} from '../../src/sandbox/toolbox.ts';
import {temporaryDirectory} from '../temporary.ts';

describe('the toolbox', () => {
  test('what ldd says', () => {
    const text =
      '\tlinux-vdso.so.1 (0x00007ffe)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n';
    expect(parseLdd(text)).toEqual(['/lib/x/libc.so.6', '/lib64/ld-linux-x86-64.so.2']);
    expect(parseLdd('\tstatically linked\n')).toEqual([]);
  });

  test('is made once, also by many at a time, and anew when the index is not to be trusted', async () => {
    const cache = temporaryDirectory();
    const boxes = await Promise.all([toolbox(cache), toolbox(cache), toolbox(cache)]);
    expect(new Set(boxes.map(({directory}) => directory)).size).toBe(1);
    expect(readdirSync(cache).sort()).toEqual([boxes[0].directory.split('/').at(-1), 'tools.json']);
    expect(existsSync(join(boxes[0].directory, 'setpriv'))).toBe(true);
  });

  test('a damaged index is no obstacle', async () => {
    const cache = temporaryDirectory();
    writeFileSync(join(cache, 'tools.json'), '{"director');
    expect(existsSync(join((await toolbox(cache)).directory, 'sh'))).toBe(true);
  });
});

test('which variables go straight through', () => {
  for (const name of ['PATH', 'A_1', '_x', 'DEBIAN_FRONTEND']) expect(isPlain(name)).toBe(true);
  for (const name of ['a.b', '1A', 'LD_PRELOAD', 'LC_ALL', 'LANG', 'PWD', 'IFS', '_', 'BASH_FUNC_x%%']) {
    expect(isPlain(name)).toBe(false);
  }
});

test('how it ended', () => {
  expect(reportedExitCode('{ "child-pid": 3 }\n{ "exit-code": 42 }\n')).toBe(42);
  expect(reportedExitCode('{ "child-pid": 3 }\n')).toBeUndefined();
  expect(failureOf('bwrap: not found\n', null).hint).toMatch(/bubblewrap/);
  expect(failureOf("bwrap: Can't mkdir /x: Read-only file system\n", null).message).toMatch(/Can't mkdir/);
  expect(failureOf('chrootctl: started\n', 'SIGKILL').message).toMatch(/from outside/);
});
