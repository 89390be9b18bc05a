/** 32-bit calls on a 64-bit machine, which any program can make and no root needs an i386 library for. */
import {describe, expect, test} from '@jest/globals';
import {spawnSync} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {temporaryDirectory} from '../temporary.ts';
import {end, sandbox, start, upperOf} from './sandbox.ts';

type Call = readonly [number: number, first: number, second: number | readonly number[], third: number];

const BASE = 0x08048000;
const HEADERS = 52 + 32;

/**
 * A program for i386 that makes one call and exits with its errno, 0 for none. The second argument may be words in
 * memory.
 */
function program([number, first, second, third]: Call): Buffer {
  const code = 40;
  const memory = typeof second === 'number' ? [] : second;
  const bytes = Buffer.alloc(HEADERS + code + 4 * memory.length);
  const word = (value: number) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
  const half = (value: number) => word(value).slice(0, 2);
  const header = [
    ...[0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, ...Array<number>(9).fill(0)], // ELF, 32 bits
    ...[...half(2), ...half(3), ...word(1), ...word(BASE + HEADERS), ...word(52), ...word(0), ...word(0)],
    ...[52, 32, 1, 40, 0, 0].flatMap(half),
    ...[1, 0, BASE, BASE, bytes.length, bytes.length, 5, 0x1000].flatMap(word), // all of it, to read and execute
  ];
  const instructions = [
    ...[0xb8, ...word(number)], // mov eax
    ...[0xbb, ...word(first)], // mov ebx
    ...[0xb9, ...word(typeof second === 'number' ? second : BASE + HEADERS + code)], // mov ecx
    ...[0xba, ...word(third)], // mov edx
    ...[0xcd, 0x80], // int 0x80
    ...[0x31, 0xdb], // xor ebx, ebx
    ...[0x85, 0xc0, 0x79, 0x04], // test eax, eax; jns
    ...[0xf7, 0xd8, 0x89, 0xc3], // neg eax; mov ebx, eax
    ...[0x31, 0xc0, 0x40, 0xcd, 0x80], // xor eax, eax; inc eax; int 0x80: exit
  ];
  Buffer.from([...header, ...instructions]).copy(bytes);
  memory.forEach((value, index) => bytes.writeUInt32LE(value, HEADERS + code + 4 * index));
  return bytes;
}

const [SOCKET, SOCKETCALL] = [359, 102];
const [AF_UNIX, AF_VSOCK] = [1, 40];
const STREAM = 1;

const CALLS = {
  'socket of AF_UNIX': [SOCKET, AF_UNIX, STREAM, 0],
  'socket of AF_VSOCK': [SOCKET, AF_VSOCK, STREAM, 0],
  'socketcall of AF_UNIX': [SOCKETCALL, 1, [AF_UNIX, STREAM, 0], 0],
  'socketcall of AF_VSOCK': [SOCKETCALL, 1, [AF_VSOCK, STREAM, 0], 0],
  io_uring_setup: [425, 1, Array<number>(30).fill(0), 0],
  getpid: [20, 0, 0, 0],
} satisfies Record<string, Call>;
const NAMES = Object.keys(CALLS) as (keyof typeof CALLS)[];

const [EPERM, ENOSYS, EAFNOSUPPORT] = [1, 38, 97];

/** The errno of each call, made inside; in a root whose shell is a program of i386, if that is asked for. */
async function errnos(network: 'host' | 'none', is32BitRoot: boolean): Promise<Record<string, number>> {
  const script = `for (0 .. ${NAMES.length - 1}) { system "/$_"; print $? >> 8, "\\n" }`;
  const spec = await sandbox(['perl', '-e', script], {network});
  const put = (path: string, call: (typeof CALLS)[keyof typeof CALLS]): void =>
    writeFileSync(join(upperOf(spec), path), program(call), {mode: 0o755});
  NAMES.forEach((name, index) => put(String(index), CALLS[name]));
  mkdirSync(join(upperOf(spec), 'usr/bin'), {recursive: true});
  if (is32BitRoot) put('usr/bin/sh', CALLS.getpid);
  const seen = (await end(start(spec))).stdout.trim().split('\n').map(Number);
  return Object.fromEntries(NAMES.map((name, index) => [name, seen[index] ?? NaN]));
}

const servesI386 = (() => {
  const file = join(temporaryDirectory(), 'getpid');
  writeFileSync(file, program(CALLS.getpid), {mode: 0o755});
  return spawnSync(file).status === 0;
})();

(servesI386 ? describe : describe.skip)('on a kernel that serves i386', () => {
  const LIKE_64_BIT = {
    'socket of AF_UNIX': 0,
    'socket of AF_VSOCK': EAFNOSUPPORT,
    io_uring_setup: EPERM,
    getpid: 0,
  };

  test('without a network, socketcall makes no socket of any kind', async () => {
    expect(await errnos('none', false)).toEqual({
      ...LIKE_64_BIT,
      'socketcall of AF_UNIX': ENOSYS,
      'socketcall of AF_VSOCK': ENOSYS,
    });
  });

  test.each([
    ["with the host's network", 'host', false],
    ['without a network in a root of i386', 'none', true],
  ] as const)('%s, socketcall makes what the C library of i386 asks for', async (_, network, is32BitRoot) => {
    expect(await errnos(network, is32BitRoot)).toMatchObject({...LIKE_64_BIT, 'socketcall of AF_UNIX': 0});
  });
});
