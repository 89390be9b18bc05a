/** A run that keeps nothing: the supervisor waits for its command in the place of the program (sandbox/succession.ts). */
import {afterEach, describe, expect, test} from '@jest/globals';
import {execFileSync, spawnSync, type ChildProcess} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {eventually} from '../eventually.ts';
import {BINARY, Cli, cleanUp, ON_NODE, outcomeOf, type Outcome} from './chrootctl.ts';
import {contents} from './contents.ts';

const mounted: string[] = [];

afterEach(() => {
  for (const path of mounted.splice(0)) spawnSync('umount', ['--lazy', path]);
  cleanUp();
});

async function ready(): Promise<{cli: Cli; before: string}> {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  await cli.ok('run', 'base', '--', 'true'); // Makes what every run needs.
  return {cli, before: contents(cli.store)};
}

/** Starts a run whose command says that it runs, and waits for its input to end. */
async function waiting(cli: Cli, script = '', program = BINARY): Promise<ChildProcess> {
  const words = ['run', 'base', '--', 'sh', '-c', `echo ready; cat >/dev/null; ${script}`];
  const child = cli.start(words, {program});
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return child;
}

async function endOf(child: ChildProcess): Promise<Outcome> {
  child.stdin?.end();
  return outcomeOf(child);
}

/** The directory of the clone of the only run. */
function cloneIn(cli: Cli): string {
  const [name = ''] = readdirSync(join(cli.store, 'sessions'));
  const {volume} = JSON.parse(readFileSync(join(cli.store, 'sessions', name), 'utf8')) as {volume: string};
  return join(cli.store, 'volumes', volume);
}

describe.each([
  ['the program that ships', BINARY],
  ['the program on Node', ON_NODE],
])('%s', (_, program) => {
  test('is small while a command runs, and known by its number and its words', async () => {
    const {cli, before} = await ready();
    const child = await waiting(cli, 'exit 3', program);
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    expect(/^Name:\s*(.*)$/m.exec(status)?.[1]).toBe('chrootctl');
    expect(Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1])).toBeLessThan(2000);
    expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8')).toMatch(/^chrootctl\0run\0base\0--\0sh\0/);
    const own = readFileSync(`/proc/${child.pid}/environ`, 'utf8');
    expect(own).toContain('CHROOTCTL_ROOT=');
    expect(await cli.json('ps')).toEqual([expect.objectContaining({image: 'base', state: 'running'})]);
    expect(await endOf(child)).toEqual({code: 3, stdout: '', stderr: ''});
    expect(contents(cli.store)).toBe(before);
  });

  test.each([
    [['--timeout', '1', 'base', '--', 'sleep', '60'], 124, /^killed: out of time \(limit 1\)$/m],
    [['base', '--', 'no-such-program'], 127, /no-such-program: No such file or directory/],
    [['base', '--', 'sh', '-c', 'kill -9 $$'], 137, /^$/],
    [['--memory', '20M', 'base', '--', 'tail', '/dev/zero'], 137, /^killed: out of memory \(limit 20M\)$/m],
    [['--workdir', '/no/such', 'base', '--', 'true'], 125, /no directory \/no\/such in the root/],
  ])('says what it says else: %j', async (words, code, stderr) => {
    const {cli, before} = await ready();
    const outcome = await cli.call(['run', ...words], {program});
    expect(outcome).toEqual({code, stdout: '', stderr: expect.stringMatching(stderr)});
    expect(contents(cli.store)).toBe(before);
  });

  test('a signal that comes while it starts is not lost', async () => {
    const {cli, before} = await ready();
    for (let pause = 0; pause < 300; pause += 20) {
      const child = cli.start(['run', 'base', '--', 'sleep', '60'], {program});
      await new Promise((resolve) => setTimeout(resolve, pause));
      child.kill('SIGTERM');
      const {code, stderr} = await endOf(child);
      // Right at the beginning, and where one program becomes another, it does what it does to any program.
      expect(code === 143 || stderr.endsWith('(SIGTERM)')).toBe(true);
    }
    await cli.ok('gc');
    expect(contents(cli.store)).toBe(before);
  });
});

describe('what is in its way at the end', () => {
  test('much to delete', async () => {
    const {cli, before} = await ready();
    const child = await waiting(cli, 'mkdir /many && cd /many && for i in $(seq 21000); do : > $i; done');
    expect(await endOf(child)).toMatchObject({code: 0, stderr: ''});
    expect(await cli.ok('ps')).not.toContain('base');
    // Another process goes on with the rest.
    expect(await eventually(() => contents(cli.store) === before)).toBe(true);
  });

  test('what is mounted in the clone on the host, and is not deleted', async () => {
    const {cli, before} = await ready();
    const child = await waiting(cli);
    const [precious, place] = [join(cli.directory, 'precious'), join(cloneIn(cli), 'fs/place')];
    for (const path of [precious, place]) mkdirSync(path);
    writeFileSync(join(precious, 'file'), 'text');
    execFileSync('mount', ['--bind', precious, place]);
    mounted.push(place);
    const {code, stderr} = await endOf(child);
    expect([code, stderr]).toEqual([
      125,
      expect.stringMatching(/^chrootctl: something is mounted inside volume/),
    ]);
    expect(readFileSync(join(precious, 'file'), 'utf8')).toBe('text');
    execFileSync('umount', [place]);
    await cli.ok('gc');
    expect(contents(cli.store)).toBe(before);
  });

  test('what is not ours in the directory of the clone', async () => {
    const {cli} = await ready();
    const child = await waiting(cli);
    const note = join(cloneIn(cli), 'note');
    writeFileSync(note, 'text');
    const {code, stderr} = await endOf(child);
    expect([code, stderr]).toEqual([
      125,
      expect.stringMatching(/is left alone: note in it is not chrootctl's/),
    ]);
    expect(readFileSync(note, 'utf8')).toBe('text');
  });

  test('more than it deletes, in a store that is named from where the call is', async () => {
    const {cli} = await ready();
    const words = ['run', '--root', 'store', 'base', '--', 'sh', '-c', 'echo ready; cat >/dev/null'];
    const child = cli.start(words, {env: {CHROOTCTL_ROOT: ''}, cwd: join(cli.store, '..')});
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const many = join(cloneIn(cli), 'fs/many');
    mkdirSync(many);
    for (let file = 0; file < 10_100; file++) writeFileSync(join(many, String(file)), '');
    expect(await endOf(child)).toEqual({code: 0, stdout: '', stderr: ''});
    expect(await cli.ok('doctor')).toBe('all is well');
  });

  test('a parent whose record is another than it was', async () => {
    const {cli, before} = await ready();
    const child = await waiting(cli);
    const {parent} = JSON.parse(readFileSync(join(cloneIn(cli), 'volume.json'), 'utf8')) as {parent: string};
    const now = new Date();
    utimesSync(join(cli.store, 'volumes', parent, 'volume.json'), now, now);
    expect(await endOf(child)).toMatchObject({code: 0, stderr: ''});
    expect(contents(cli.store)).toBe(before);
  });

  test('directories below directories', async () => {
    const {cli, before} = await ready();
    const child = await waiting(cli, 'for i in $(seq 200); do mkdir d && cd d || exit; done');
    expect(await endOf(child)).toMatchObject({code: 0, stderr: ''});
    expect(contents(cli.store)).toBe(before);
  });

  test('a program that is not there any more', async () => {
    const {cli} = await ready();
    const copy = join(cli.directory, 'program');
    execFileSync('cp', ['-a', join(BINARY, '..'), copy]);
    const child = await waiting(cli, 'exit 100', join(copy, 'chrootctl'));
    execFileSync('rm', ['-r', copy]);
    const {code, stderr} = await endOf(child);
    expect([code, stderr]).toEqual([
      125,
      'chrootctl: cannot start again to end the run: No such file or directory\n' +
        '  chrootctl gc collects what it leaves\n',
    ]);
    await cli.ok('gc');
    expect(await cli.ok('doctor')).toBe('all is well');
  });
});

/** Dies before a system call, the Nth of that name. Gives whether it came so far. */
function diesAt(cli: Cli, call: string, count: number): boolean {
  const inject = ['-qq', '-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${count}`];
  const {status, signal} = spawnSync(
    'strace',
    ['-o', '/dev/null', ...inject, BINARY, 'run', 'base', '--', 'touch', '/one', '/two'],
    {env: {PATH: process.env['PATH'], HOME: cli.directory, CHROOTCTL_ROOT: cli.store}},
  );
  expect(status === 0 || status === 137 || signal === 'SIGKILL').toBe(true);
  return status !== 0;
}

test('whenever it is killed, gc leaves nothing of it', async () => {
  const {cli, before} = await ready();
  const calls: Record<string, number> = {};
  for (const call of ['execve', 'signalfd4', 'flock', 'clone', 'renameat', 'unlinkat', 'unlink']) {
    for (let count = 1; diesAt(cli, call, count); count++) {
      calls[call] = count;
      await cli.ok('gc');
      expect(contents(cli.store)).toBe(before);
    }
  }
  // The program, the supervisor; two files, those that every run has, and directories; the record.
  expect(calls).toMatchObject({execve: 2, signalfd4: 1, flock: 1, renameat: 1, unlink: 1});
  expect(calls['clone']).toBeGreaterThan(0);
  expect(calls['unlinkat']).toBeGreaterThan(8);
  expect(await cli.ok('doctor')).toBe('all is well');
  expect(existsSync(join(cli.store, 'sessions'))).toBe(true);
}, 240_000);

test('what is mounted in what it leaves is not deleted', async () => {
  const {cli, before} = await ready();
  expect(diesAt(cli, 'unlinkat', 1)).toBe(true);
  const [gone = ''] = readdirSync(join(cli.store, 'volumes')).filter((name) => name.endsWith('.gone'));
  const [precious, place] = [join(cli.directory, 'precious'), join(cli.store, 'volumes', gone, 'fs/place')];
  for (const path of [precious, place]) mkdirSync(path);
  writeFileSync(join(precious, 'file'), 'text');
  execFileSync('mount', ['--bind', precious, place]);
  mounted.push(place);
  for (const words of [['gc'], ['doctor', '--fix']]) {
    const {code, stdout, stderr} = await cli.call(words);
    expect([code, stdout + stderr]).toEqual([
      expect.not.stringMatching(/^0$/),
      expect.stringContaining('mounted'),
    ]);
    expect(readFileSync(join(precious, 'file'), 'utf8')).toBe('text');
  }
  execFileSync('umount', [place]);
  await cli.ok('gc');
  expect(contents(cli.store)).toBe(before);
});
