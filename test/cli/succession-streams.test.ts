/** Runs whose standard streams are files are succeeded like others; the supervisor relays (sandbox/streams.test.ts tries what). */
import {afterEach, describe, expect, test} from '@jest/globals';
import {spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {childrenOf} from '../../src/sandbox/processes.ts';
import {eventually} from '../eventually.ts';
import {BINARY, Cli, cleanUp, ON_NODE, outcomeOf} from './chrootctl.ts';
import {contents} from './contents.ts';

const mounted: string[] = [];

afterEach(() => {
  for (const path of mounted.splice(0)) spawnSync('umount', ['--lazy', path]);
  cleanUp();
});

interface Ready {
  cli: Cli;
  env: NodeJS.ProcessEnv;
  before: string;
  input: string;
  output: string;
}

const INPUT = '0123456789abcde\n'.repeat(20_000);

async function ready(): Promise<Ready> {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  await cli.ok('run', 'base', '--', 'true'); // Makes what every run needs.
  const [input, output] = [join(cli.directory, 'input'), join(cli.directory, 'output')];
  writeFileSync(input, INPUT);
  writeFileSync(output, '');
  const env = {PATH: process.env['PATH'], HOME: cli.directory, CHROOTCTL_ROOT: cli.store};
  return {cli, env, before: contents(cli.store), input, output};
}

/** Starts words with files as streams. Whoever waits for it closes nothing: it has them for itself. */
function start({env, input, output}: Ready, words: readonly string[]): ChildProcess {
  const [file = '', ...args] = words;
  const [stdin, stdout] = [openSync(input, 'r'), openSync(output, 'w')];
  const child = spawn(file, args, {env, stdio: [stdin, stdout, 'pipe']});
  closeSync(stdin);
  closeSync(stdout);
  return child;
}

function field(pid: number, name: string): string {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}

function openFilesOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).map((fd) => readlinkSync(join(directory, fd)));
}

describe.each([
  ['the program that ships', BINARY],
  ['the program on Node', ON_NODE],
])('%s', (_, program) => {
  test('is small, passes much on, and gives nobody its files', async () => {
    const all = await ready();
    const script =
      'head -c 100000000 /dev/zero; dd bs=16 count=100 2>/dev/null; echo ready >&2; while :; do sleep 0.1; test -e /go && exit 3; done';
    const child = start(all, [program, 'run', 'base', '--', 'sh', '-c', script]);
    await new Promise((resolve) => child.stderr?.once('data', resolve));
    const pid = child.pid ?? 0;
    expect(readlinkSync(`/proc/${pid}/exe`)).toMatch(/\/native\/supervisor-[a-z0-9]+$/);
    expect(parseInt(field(pid, 'VmHWM'))).toBeLessThan(2000);
    const files = [all.input, all.output];
    expect(openFilesOf(pid)).toEqual(expect.arrayContaining(files));
    // bwrap, bwrap, the command; what that starts comes and goes.
    const others = descendantsOf(pid).slice(0, 3);
    expect(others).toHaveLength(3);
    expect(others.flatMap(openFilesOf).filter((path) => files.includes(path))).toEqual([]);
    const command = others[2] ?? 0;
    writeFileSync(`/proc/${command}/root/go`, '');
    expect(await outcomeOf(child)).toEqual({code: 3, stdout: '', stderr: ''});
    expect(statSync(all.output).size).toBe(100_001_600);
    expect(contents(all.cli.store)).toBe(all.before);
  });

  test('says what it said of files that take nothing more', async () => {
    const all = await ready();
    const room = join(all.cli.directory, 'room');
    mkdirSync(room);
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', room]);
    mounted.push(room);
    // With a report somebody else relays.
    const reported = ['--report', join(all.cli.directory, 'report')];
    for (const words of [[], reported]) {
      const full = start({...all, output: join(room, 'full')}, [
        program,
        'run',
        ...words,
        'base',
        '--',
        'cat',
        '/dev/zero',
      ]);
      expect(await outcomeOf(full)).toEqual({
        code: 125,
        stdout: '',
        stderr:
          'chrootctl: cannot write standard output: ENOSPC: no space left on device, write\n' +
          '  free some space (chrootctl prune, chrootctl gc) and try again; nothing was lost\n',
      });
      const limited = ['prlimit', '--fsize=100000', program, 'run', ...words];
      expect(await outcomeOf(start(all, [...limited, 'base', '--', 'cat', '/dev/zero']))).toEqual({
        code: 125,
        stdout: '',
        stderr: 'chrootctl: cannot write standard output: EFBIG: file too large, write\n',
      });
      expect(statSync(all.output).size).toBe(100_000);
    }
    expect(contents(all.cli.store)).toBe(all.before);
  });

  test.each([
    ['pread64,read', 'input', 'EIO', 'cannot read standard input: EIO: i/o error, read'],
    ['write', 'output', 'EIO', 'cannot write standard output: EIO: i/o error, write'],
    ['write', 'output', 'EDQUOT', /^chrootctl: cannot write standard output: .*\n {2}free some space/],
  ] as const)('says what it said when %s of the %s fails: %s', async (calls, name, error, said) => {
    const all = await ready();
    const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:error=${error}`, '-P', all[name]];
    for (const words of [[], ['--report', join(all.cli.directory, 'report')]]) {
      const run = [program, 'run', ...words, 'base', '--', 'cat'];
      const {code, stderr} = await outcomeOf(
        start(all, ['strace', '-f', '-qq', '-o', '/dev/null', ...inject, ...run]),
      );
      expect([code, stderr]).toEqual([
        125,
        typeof said === 'string' ? `chrootctl: ${said}\n` : expect.stringMatching(said),
      ]);
    }
    expect(contents(all.cli.store)).toBe(all.before);
  });
});

test('time is up while the pipe is full, and all that was written before is in the file', async () => {
  const all = await ready();
  const slow = ['-e', 'trace=write', '-e', 'inject=write:delay_enter=200000', '-P', all.output];
  const child = start(all, [
    ...['strace', '-f', '-qq', '-o', '/dev/null', ...slow],
    // It fills the pipe in no time, and is never done.
    ...[BINARY, 'run', '--timeout', '3', 'base', '--', 'seq', '100000000'],
  ]);
  expect((await outcomeOf(child)).code).toBe(124);
  const lines = readFileSync(all.output, 'utf8').split('\n');
  expect(lines.length).toBeGreaterThan(10_000);
  expect(lines.slice(0, -1).every((line, index) => line === String(index + 1))).toBe(true);
  expect(String(lines.length).startsWith(lines.at(-1) ?? '-')).toBe(true);
  expect(contents(all.cli.store)).toBe(all.before);
});

test('whoever reads the file next goes on where the command stopped', async () => {
  const {cli, env, input} = await ready();
  const fd = openSync(input, 'r');
  for (let turn = 0; turn < 3; turn++) {
    const words = ['run', 'base', '--', 'dd', 'bs=1', 'count=7'];
    expect(spawnSync(BINARY, words, {env, stdio: [fd, 'ignore', 'pipe']}).status).toBe(0);
  }
  const rest = Buffer.alloc(11);
  readSync(fd, rest);
  closeSync(fd);
  expect(rest.toString()).toBe(INPUT.slice(21, 32));
  expect(await cli.ok('ps')).not.toContain('base');
});

/** Dies before a system call, the Nth of that name. Gives whether it came so far. */
async function diesAt(all: Ready, call: string, count: number): Promise<boolean> {
  const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${count}`];
  const words = ['strace', '-qq', '-o', '/dev/null', ...inject, BINARY, 'run', 'base', '--', 'cat'];
  const {code, stderr} = await outcomeOf(start(all, words));
  expect(code === 0 || code === 137 || stderr === '(SIGKILL)').toBe(true);
  return code !== 0;
}

test('whenever it is killed, nothing is left running, and gc leaves nothing of it', async () => {
  const all = await ready();
  const calls: Record<string, number> = {};
  // From where the supervisor is alone on: what the runtime does of these before is another each time.
  for (const call of ['pipe2', 'clone', 'poll', 'pread64', 'wait4', 'lseek']) {
    for (let count = 1; count < 30 && (await diesAt(all, call, count)); count++) {
      calls[call] = count;
      expect(await eventually(() => spawnSync('pgrep', ['-f', all.cli.store]).status === 1)).toBe(true);
      await all.cli.ok('gc');
      expect(contents(all.cli.store)).toBe(all.before);
      expect(INPUT.startsWith(readFileSync(all.output, 'utf8'))).toBe(true);
    }
  }
  expect(calls).toMatchObject({
    clone: expect.any(Number),
    wait4: expect.any(Number),
    lseek: expect.any(Number),
  });
  // While much is passed on, and at the end of it.
  expect(Math.min(calls['poll'] ?? 0, calls['pread64'] ?? 0)).toBeGreaterThan(5);
  expect(await all.cli.ok('doctor')).toBe('all is well');
}, 240_000);
