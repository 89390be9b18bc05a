import {describe, expect, test} from '@jest/globals';
import {existsSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {isPlain} from '../../src/sandbox/environment.ts';
import {failureOf, reportedExitCode} from '../../src/sandbox/outcome.ts';
import {seccompFilter} from '../../src/sandbox/seccomp.ts';
import {parseLdd, toolbox} from '../../src/sandbox/toolbox.ts';
import {temporaryDirectory} from '../temporary.ts';

describe('the system call filter as a machine', () => {
  const ALLOW = 0x7fff0000;
  const [EPERM, ENOSYS] = [0x50001, 0x50026];
  const X86_64 = 0xc000003e;

  /** What the kernel would answer: a classic BPF machine with the instructions that the filter uses. */
  function answer(filter: Buffer, arch: number, nr: number, args: readonly number[] = []): number {
    const data = Buffer.alloc(64);
    data.writeUInt32LE(nr >>> 0, 0);
    data.writeUInt32LE(arch, 4);
    for (const [index, arg] of args.entries()) data.writeUInt32LE(arg, 16 + 8 * index);
    let accumulator = 0;
    for (let pc = 0; pc < filter.length / 8; pc++) {
      const code = filter.readUInt16LE(pc * 8);
      const [ifTrue, ifFalse, k] = [
        filter[pc * 8 + 2]!,
        filter[pc * 8 + 3]!,
        filter.readUInt32LE(pc * 8 + 4),
      ];
      if (code === 0x20) accumulator = data.readUInt32LE(k);
      else if (code === 0x15) pc += accumulator === k ? ifTrue : ifFalse;
      else if (code === 0x35) pc += accumulator >= k ? ifTrue : ifFalse;
      else if (code === 0x45) pc += (accumulator & k) !== 0 ? ifTrue : ifFalse;
      else if (code === 0x06) return k;
      else throw new Error(`unknown instruction ${code}`);
    }
    throw new Error('the program has no end');
  }

  const filter = seccompFilter({architecture: 'x64'})!;
  test.each([
    ['read', X86_64, 0, [], ALLOW],
    ['execve', X86_64, 59, [], ALLOW],
    ['keyctl', X86_64, 250, [], EPERM],
    ['open_by_handle_at', X86_64, 304, [], EPERM],
    ['userfaultfd', X86_64, 323, [], EPERM],
    ['x32 read', X86_64, 0x40000000, [], EPERM],
    ['ioctl TCGETS', X86_64, 16, [0, 0x5401], ALLOW],
    ['ioctl TIOCSTI', X86_64, 16, [0, 0x5412], EPERM],
    ['ioctl TIOCLINUX', X86_64, 16, [0, 0x541c], EPERM],
    ['fork', X86_64, 56, [17], ALLOW],
    ['clone of a user namespace', X86_64, 56, [0x10000011], EPERM],
    ['unshare of a user namespace', X86_64, 272, [0x10000000], EPERM],
    ['clone3', X86_64, 435, [], ENOSYS],
    ['i386 keyctl', 0x40000003, 288, [], EPERM],
    ['i386 read', 0x40000003, 3, [], ALLOW],
    ['an unknown personality', 0x12345678, 0, [], EPERM],
  ])('%s', (_, arch, nr, args, expected) => {
    expect(answer(filter, arch, nr, args)).toBe(expected);
  });

  test('another processor', () => {
    const arm = seccompFilter({architecture: 'arm64', userNamespaces: true})!;
    expect(answer(arm, 0xc00000b7, 265)).toBe(EPERM);
    expect(answer(arm, 0xc00000b7, 220, [0x10000011])).toBe(ALLOW);
    expect(answer(arm, 0x40000028, 54, [0, 0x5412])).toBe(EPERM);
    expect(seccompFilter({architecture: 'riscv64'})).toBeUndefined();
  });
});

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
