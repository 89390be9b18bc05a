/** Standard streams that are files of the host: whoever relays them, it comes to the same. */
import {afterEach, describe, expect, test} from '@jest/globals';
import {spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {createHash} from 'node:crypto';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {join} from 'node:path';
import type {SandboxSpec} from '../../src/sandbox/spec.ts';
import {temporaryDirectory} from '../temporary.ts';
import {end, eventually, launcher, printed, sandbox, sh, type Ended} from './sandbox.ts';

const open: number[] = [];
const mounted: string[] = [];

afterEach(() => {
  for (const fd of open.splice(0)) closeSync(fd);
  for (const path of mounted.splice(0)) spawnSync('umount', ['--lazy', path]);
});

function opened(path: string, flags: string): number {
  const fd = openSync(path, flags);
  open.push(fd);
  return fd;
}

function file(content = '', name = 'file'): string {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, content);
  return path;
}

type Stream = number | 'pipe';

async function start(
  script: string,
  [stdin = 'pipe', stdout = 'pipe', stderr = 'pipe']: readonly Stream[],
  changes: Partial<SandboxSpec> = {},
): Promise<ChildProcess> {
  const [node = '', ...words] = launcher(await sandbox(sh(script), changes));
  return spawn(node, words, {stdio: [stdin, stdout, stderr]});
}

async function run(
  script: string,
  streams: readonly Stream[],
  changes?: Partial<SandboxSpec>,
): Promise<Ended> {
  return end(await start(script, streams, changes));
}

/** What the next reader gets. */
function rest(fd: number): string {
  const bytes = Buffer.alloc(1e6);
  return bytes.toString('utf8', 0, readSync(fd, bytes));
}

/** A number that is nobody else's. */
const unique = (): string => `4242.${String(process.hrtime.bigint())}`;

/** The process with such a word, as the host sees it. */
async function found(word: string): Promise<string> {
  let pid: string | undefined;
  const isFound = await eventually(() => {
    pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && commandOf(name) === `sleep\0${word}\0`);
    return pid !== undefined;
  });
  expect(isFound).toBe(true);
  return pid ?? '';
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // Ended meanwhile.
  }
}

describe('output', () => {
  test('is written where the file is, and after that', async () => {
    const path = file('x'.repeat(12));
    const fd = opened(path, 'r+');
    readSync(fd, Buffer.alloc(4));
    expect(await run('echo one; exit 3', ['pipe', fd])).toEqual({code: 3, stdout: '', stderr: ''});
    expect((await run('echo two', ['pipe', fd])).code).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe('xxxxone\ntwo\n');
  });

  test('is appended, and by another user, who opens it by name', async () => {
    const path = file('there\n');
    const fd = opened(path, 'a');
    await run('echo one', ['pipe', fd]);
    writeFileSync(path, 'between\n', {flag: 'a'});
    expect(await run('echo two >/dev/stdout', ['pipe', fd], {user: 'daemon'})).toMatchObject({code: 0});
    expect(readFileSync(path, 'utf8')).toBe('there\none\nbetween\ntwo\n');
  });

  const MIXED = 'for i in $(seq 200); do echo o$i; echo e$i >&2; done';
  const mixed = Array.from({length: 200}, (_, index) => `o${index + 1}\ne${index + 1}\n`).join('');

  test('keeps the order of what goes to one place', async () => {
    const path = file();
    const fd = opened(path, 'w');
    expect((await run(MIXED, ['pipe', fd, fd])).code).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe(mixed);
    const other = file();
    expect((await run(MIXED, ['pipe', opened(other, 'a'), opened(other, 'a')])).code).toBe(0);
    expect(readFileSync(other, 'utf8')).toBe(mixed);
  });

  test('goes to two files, or one of them is none', async () => {
    const [out, err, one] = [file(), file(), file()];
    expect((await run(MIXED, ['pipe', opened(out, 'w'), opened(err, 'w')])).code).toBe(0);
    expect([readFileSync(out, 'utf8'), readFileSync(err, 'utf8')]).toEqual([
      mixed.replaceAll(/e\d+\n/g, ''),
      mixed.replaceAll(/o\d+\n/g, ''),
    ]);
    const {stdout} = await run(MIXED, ['pipe', 'pipe', opened(one, 'w')]);
    expect([stdout, readFileSync(one, 'utf8')]).toEqual([
      mixed.replaceAll(/e\d+\n/g, ''),
      mixed.replaceAll(/o\d+\n/g, ''),
    ]);
  });

  test('comes through whole, however much', async () => {
    const path = file();
    const length = 30_000_000;
    const {code, stderr} = await run(`seq 99999999 | head -c ${length}`, ['pipe', opened(path, 'w')]);
    expect([code, stderr]).toEqual([0, '']);
    const expected = spawnSync('sh', ['-c', `seq 99999999 | head -c ${length} | sha256sum`], {
      encoding: 'utf8',
    });
    expect(createHash('sha256').update(readFileSync(path)).digest('hex')).toBe(expected.stdout.slice(0, 64));
  });

  test('for which there is no room ends the command, and is said', async () => {
    const room = temporaryDirectory();
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', room]);
    mounted.push(room);
    const path = join(room, 'full');
    const {code, stderr} = await run('yes; echo $? >&2', ['pipe', opened(path, 'w')]);
    expect([code, stderr]).toEqual([
      125,
      '141\nFAILED: cannot write standard output: ENOSPC: no space left on device, write\n',
    ]);
    expect(statSync(path).size).toBe(65536);
    // The first of them is told of; neither keeps the other.
    const fd = opened(path, 'a');
    expect((await run('yes', ['pipe', fd, fd])).code).toBe(125);
    const other = file();
    const {stdout} = await run('yes >&2; echo after', ['pipe', 'pipe', opened(path, 'a')]);
    expect(stdout).toBe('after\n');
    expect(await run('yes >&2; echo after', ['pipe', opened(other, 'w'), fd])).toMatchObject({code: 125});
    expect(readFileSync(other, 'utf8')).toBe('after\n');
  });

  test('to a device that every sandbox has is its own affair', async () => {
    const {code, stderr} = await run('exec cat /etc/passwd', ['pipe', opened('/dev/full', 'w')]);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/No space left on device/)]);
  });

  test('of what it leaves running does not keep us', async () => {
    const path = file();
    const script = `(sleep ${unique()}; echo late) & echo done`;
    expect((await run(script, ['pipe', opened(path, 'w')])).code).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe('done\n');
  });
});

describe('whoever holds the other end of it outside', () => {
  async function held(
    changes: Partial<SandboxSpec>,
  ): Promise<{child: ChildProcess; path: string; pipe: number}> {
    const [path, word] = [file(), unique()];
    const child = await start(`echo done; exec sleep ${word}`, ['pipe', opened(path, 'w')], changes);
    const pid = await found(word);
    const pipe = openSync(`/proc/${pid}/fd/1`, 'w');
    if (changes.timeout === undefined) process.kill(Number(pid), 'SIGKILL');
    expect(await eventually(() => commandOf(pid) === '')).toBe(true);
    return {child, path, pipe};
  }

  test('is waited for', async () => {
    const {child, path, pipe} = await held({});
    await new Promise((resolve) => setTimeout(resolve, 300));
    // There is nobody any more whom it could end.
    child.kill('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([child.exitCode, child.signalCode]).toEqual([null, null]);
    writeSync(pipe, 'late\n');
    closeSync(pipe);
    expect((await end(child)).code).toBe(137);
    expect(readFileSync(path, 'utf8')).toBe('done\nlate\n');
  });

  test('when time is up, too', async () => {
    const {child, path, pipe} = await held({timeout: 1});
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(child.exitCode).toBe(null);
    closeSync(pipe);
    expect((await end(child)).code).toBe(124);
    expect(readFileSync(path, 'utf8')).toBe('done\n');
  });
});

describe('input', () => {
  test('is read from where the file is, and left where the command stopped', async () => {
    const fd = opened(file('zero\none\ntwo\nthree\n'), 'r');
    readSync(fd, Buffer.alloc(5));
    expect((await run('read -r line; echo "$line"', [fd])).stdout).toBe('one\n');
    expect((await run('exec <&-; sleep 0.1', [fd])).code).toBe(0);
    expect((await run('read -r line; echo "$line"', [fd], {user: 'daemon'})).stdout).toBe('two\n');
    expect(rest(fd)).toBe('three\n');
  });

  test('is taken as far as the command took it, whatever was in the pipe', async () => {
    const lines = Array.from({length: 100_000}, (_, index) => `${String(index).padStart(9, '0')}\n`);
    const fd = opened(file(lines.join('')), 'r');
    const {stdout} = await run('dd bs=10 count=45678 iflag=fullblock status=none | tail -n 1', [fd]);
    expect(stdout).toBe(lines[45_677]);
    expect(rest(fd)).toBe(lines.slice(45_678).join(''));
  });

  test('comes through whole, and has an end', async () => {
    const [from, to] = [file('0123456789abcdef'.repeat(1_000_000)), file()];
    const fd = opened(from, 'r');
    expect((await run('cat; cat', [fd, opened(to, 'w')])).code).toBe(0);
    expect(readFileSync(to).equals(readFileSync(from))).toBe(true);
    expect(rest(fd)).toBe('');
    expect((await run('cat', [fd])).stdout).toBe('');
  });

  test('may be the file that the output goes to', async () => {
    const path = file('one\ntwo\n');
    const [input, output] = [opened(path, 'r'), opened(path, 'a')];
    expect((await run('read -r a; echo got $a; read -r b; echo got $b', [input, output])).code).toBe(0);
    expect([readFileSync(path, 'utf8'), rest(input)]).toEqual([
      'one\ntwo\ngot one\ngot two\n',
      'got one\ngot two\n',
    ]);
  });

  test('may share its position with the output', async () => {
    const path = file('one\ntwo\nthree\n');
    const fd = opened(path, 'r+');
    expect((await run('read -r a; echo 111', [fd, fd])).code).toBe(0);
    expect([readFileSync(path, 'utf8'), rest(fd)]).toEqual(['111\ntwo\nthree\n', 'three\n']);
  });

  test('that nobody reads does not keep the time limit', async () => {
    const fd = opened(file('x'.repeat(1e6)), 'r');
    expect((await run(`exec sleep ${unique()}`, [fd], {timeout: 1})).code).toBe(124);
    expect(rest(fd)).toHaveLength(1e6);
  });
});

test('signals come while output does', async () => {
  const path = file();
  const script = `trap 'echo caught; exit 7' TERM; echo ready >&2; while :; do echo ${'x'.repeat(2000)}; done`;
  const child = await start(script, [opened(file('y'.repeat(1e6)), 'r'), opened(path, 'w')]);
  child.stdout = child.stderr;
  await printed(child, 'ready');
  await new Promise((resolve) => setTimeout(resolve, 200));
  child.kill('SIGTERM');
  expect((await end(child)).code).toBe(7);
  const lines = readFileSync(path, 'utf8').split('\n');
  expect(lines.length).toBeGreaterThan(3);
  expect(lines.slice(-2)).toEqual(['caught', '']);
  expect(lines.slice(0, -2).every((line) => line === 'x'.repeat(2000))).toBe(true);
});
