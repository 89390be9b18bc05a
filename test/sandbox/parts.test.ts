import {describe, expect, test} from '@jest/globals';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import {basename, join} from 'node:path';
import {isPlain} from '../../src/sandbox/environment.ts';
import {failureOf, reportedExitCode} from '../../src/sandbox/outcome.ts';
import {findCopies, makeCopies} from '../../src/sandbox/tool-cache.ts';
import {parseLdd, toolbox} from '../../src/sandbox/toolbox.ts';
import {temporaryDirectory} from '../temporary.ts';

const TOOLS = [
  {path: '/bin/sh', name: 'sh'},
  {path: '/usr/bin/env', name: 'env'},
];

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
    const directory = boxes[0].directory ?? '';
    expect(new Set(boxes.map((box) => box.directory)).size).toBe(1);
    expect(readdirSync(cache).sort()).toEqual([basename(directory), 'tools.json']);
    expect(existsSync(join(directory, 'setpriv'))).toBe(true);
  });

  test.each(['{"director', '', 'null', '{}', '{"synced":true,"directory":"../x","sources":[]}'])(
    'a damaged index is no obstacle: %s',
    async (text) => {
      const cache = temporaryDirectory();
      writeFileSync(join(cache, 'tools.json'), text);
      expect(existsSync(join((await toolbox(cache)).directory ?? '', 'sh'))).toBe(true);
    },
  );

  test.each(['emptied', 'changed', 'gone', 'not to be executed'])(
    'a copy that is %s is made anew, with the index or without it',
    async (what) => {
      const cache = temporaryDirectory();
      const {directory} = (await makeCopies(cache, TOOLS, null)) ?? {};
      const copy = join(directory ?? '', 'sh');
      const damage = (): void => {
        if (what === 'emptied') truncateSync(copy);
        else if (what === 'gone') rmSync(copy);
        else if (what === 'changed') writeFileSync(copy, Buffer.alloc(statSync(copy).size));
        else chmodSync(copy, 0o600);
      };
      expect(findCopies(cache)?.directory).toBe(directory);
      damage();
      expect(findCopies(cache)).toBeUndefined();
      expect(await makeCopies(cache, TOOLS, null)).toEqual({directory, linker: null});
      damage();
      rmSync(join(cache, 'tools.json'));
      await makeCopies(cache, TOOLS, null);
      expect(readFileSync(copy).equals(readFileSync(TOOLS[0]?.path ?? ''))).toBe(true);
      expect(findCopies(cache)?.directory).toBe(directory);
    },
  );
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
  expect(failureOf('bwrap: not found\n', 0).hint).toMatch(/bubblewrap/);
  expect(failureOf("bwrap: Can't mkdir /x: Read-only file system\n", 0).message).toMatch(/Can't mkdir/);
  expect(failureOf('chrootctl: started\n', 9).message).toMatch(/from outside/);
});
