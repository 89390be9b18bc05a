/**
 * Each way out that has worked, tried by root inside, by another user, and in a kept session in which others run. Through
 * the program itself, since what the caller hands over is part of it.
 */
import {afterAll, beforeAll, describe, expect, test} from '@jest/globals';
import {spawn, spawnSync, type ChildProcess, type SpawnSyncReturns} from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {BINARY, Cli} from '../cli/chrootctl.ts';
import {debianRootTar, ROOT_TIMEOUT} from '../debian-root.ts';

// Shared by all tests here: what a test makes in a directory of its own is gone after it.
const scratch = mkdtempSync(join(tmpdir(), 'chrootctl-walls-'));
const cli = new Cli({store: join(scratch, 'store'), driver: 'overlay'});
const ENV = {PATH: process.env['PATH'], CHROOTCTL_ROOT: cli.store};
let other: ChildProcess;

beforeAll(async () => {
  await cli.ok('import', await debianRootTar(), 'debian');
  await cli.ok('session', 'begin', 'debian', '--name', 'kept');
  other = spawn(BINARY, ['exec', 'kept', '--', 'sh', '-c', 'echo up; exec sleep 4242'], {env: ENV});
  await new Promise((resolve) => other.stdout?.once('data', resolve));
}, ROOT_TIMEOUT);

afterAll(() => {
  other.kill('SIGKILL');
  spawnSync(BINARY, ['session', 'rm', '--force', 'kept'], {env: ENV});
  rmSync(scratch, {recursive: true});
});

const SITUATIONS = [
  ['root', ['run', 'debian']],
  ['another user', ['run', 'debian', '-u', 'daemon']],
  ['a kept session', ['exec', 'kept']],
  ['another user in a kept session', ['exec', 'kept', '-u', 'daemon']],
] as const;

type Stdio = 'pipe' | 'ignore' | number;

function call(words: readonly string[], script: string, stdio: readonly Stdio[]): SpawnSyncReturns<string> {
  return spawnSync(BINARY, [...words, '--', 'sh', '-c', script], {
    env: ENV,
    stdio: [...stdio],
    encoding: 'utf8',
  });
}

/** Runs `work` with a file of the host, open as a shell's redirection opens it. */
function opened<T>(path: string, flags: string, work: (fd: number) => T): T {
  const fd = openSync(path, flags);
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}

function file(name: string, content: string, mode = 0o644): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

describe.each(SITUATIONS)('%s', (_, words) => {
  test('cannot write to the file that its input is', () => {
    const path = file(
      'job',
      'for fd in 0 3 4 5 6 7; do (echo changed >/proc/self/fd/$fd) 2>/dev/null; done; echo ran',
      0o444,
    );
    const {stdout} = opened(path, 'r', (fd) =>
      spawnSync(BINARY, [...words, '--', 'sh'], {
        env: ENV,
        stdio: [fd, 'pipe', 'pipe'],
        encoding: 'utf8',
      }),
    );
    expect(stdout).toMatch(/ran\n$/);
    expect(readFileSync(path, 'utf8')).toMatch(/^for fd/);
  });

  test('can neither read nor cut off the file that its output goes to', () => {
    const path = file('log', 'what was there\n');
    const script =
      'for at in /proc/self/fd/1 /dev/stdout /proc/1/fd/1; do (: >$at; timeout 0.1 cat <$at >&2) 2>/dev/null; done; echo said; echo too >&2';
    opened(path, 'a', (fd) => call(words, script, ['ignore', fd, fd]));
    expect(readFileSync(path, 'utf8')).toBe('what was there\nsaid\ntoo\n');
  });

  test.each([0, 1, 2])('is given no directory of the host as stream %i', (index) => {
    const stdio: Stdio[] = ['ignore', 'pipe', 'pipe'];
    opened('/etc', 'r', (fd) => {
      stdio[index] = fd;
      const {status} = call(words, 'true', stdio);
      expect(status).toBe(2);
    });
  });

  test('opens its streams by name', () => {
    const script = 'cat /dev/stdin >/dev/stdout; echo err >/dev/stderr';
    // Pipes of a shell: what Node would give are sockets, which nobody can open again.
    const piped = spawnSync(
      'sh',
      ['-c', 'echo in | "$@" 2>&1 | cat', 'sh', BINARY, ...words, '--', 'sh', '-c', script],
      {
        env: ENV,
        encoding: 'utf8',
      },
    );
    expect(piped.stdout).toBe('in\nerr\n');
  });

  test('leaves its input where it stopped reading', () => {
    const path = file('lines', 'one\ntwo\nthree\n');
    opened(path, 'r', (fd) => {
      expect(call(words, 'read -r line; echo "$line"', [fd, 'pipe', 'pipe']).stdout).toBe('one\n');
      expect(call(words, 'true', [fd, 'pipe', 'pipe']).status).toBe(0);
      const rest = Buffer.alloc(100);
      expect(rest.toString('utf8', 0, readSync(fd, rest))).toBe('two\nthree\n');
    });
  });

  test('sees nothing of what the host has mounted below /sys', () => {
    const {stdout} = call(
      words,
      'cut -d" " -f5 /proc/self/mountinfo | grep "^/sys" | grep -v "^/sys/firmware"; ls -A /sys/kernel/debug /sys/kernel/tracing /sys/fs/cgroup 2>/dev/null | grep -v :; (echo x >/sys/kernel/x) 2>/dev/null || echo read-only',
      ['ignore', 'pipe', 'pipe'],
    );
    expect(stdout.replace(/\n+/g, '\n')).toBe('/sys\nread-only\n');
  });

  test('finds nothing of the host in what process 1 was started with', () => {
    const {stdout} = call(
      words,
      'cat /proc/1/environ 2>/dev/null; tr "\\0" " " </proc/1/cmdline; (echo x >/proc/1/exe) 2>/dev/null && echo written',
      ['ignore', 'pipe', 'pipe'],
    );
    expect(stdout).not.toMatch(/written|PATH=|kept|store|chrootctl-test/);
  });
});

describe('a file in the place of a stream', () => {
  test('comes through whole, both ways', () => {
    const big = join(scratch, 'big');
    const bytes = Buffer.alloc(20 * 2 ** 20, Buffer.from(Array.from({length: 251}, (_, index) => index)));
    writeFileSync(big, bytes);
    const copy = join(scratch, 'copy');
    opened(big, 'r', (input) =>
      opened(copy, 'w', (output) =>
        expect(call(['run', 'debian'], 'cat', [input, output, 'ignore']).status).toBe(0),
      ),
    );
    expect(readFileSync(copy).equals(bytes)).toBe(true);
  });

  test('keeps the order of what goes to one place, and where it was', () => {
    const path = file('both', 'x'.repeat(10));
    opened(path, 'r+', (fd) => {
      readSync(fd, Buffer.alloc(4));
      const script = 'for i in 1 2 3; do echo o$i; echo e$i >&2; done';
      expect(call(['run', 'debian'], script, ['ignore', fd, fd]).status).toBe(0);
      expect(call(['run', 'debian'], 'echo next', ['ignore', fd, 'ignore']).status).toBe(0);
    });
    expect(readFileSync(path, 'utf8')).toBe('xxxxo1\ne1\no2\ne2\no3\ne3\nnext\n');
  });

  test('that is full ends the command, and says so', () => {
    const room = join(scratch, 'room');
    mkdirSync(room);
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', room]);
    try {
      const {status, stderr} = opened(join(room, 'full'), 'w', (fd) =>
        call(['run', '--commit', 'debian'], 'yes | head -c 1000000', ['ignore', fd, 'pipe']),
      );
      expect([status, stderr]).toEqual([125, expect.stringMatching(/standard output.*ENOSPC/)]);
      expect(statSync(join(room, 'full')).size).toBeLessThanOrEqual(65536);
    } finally {
      spawnSync('umount', [room]);
    }
    expect(
      spawnSync(BINARY, ['images', '--json'], {
        env: ENV,
        encoding: 'utf8',
      }).stdout.match(/"version"/g),
    ).toHaveLength(1);
  });

  test('that is a device of the host is no input', () => {
    opened('/dev/kmsg', 'r', (fd) =>
      expect(call(['run', 'debian'], 'true', [fd, 'pipe', 'pipe']).status).toBe(2),
    );
  });
});
