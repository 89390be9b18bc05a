import {afterAll, describe, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {BINARY, callAsNobody, CHECKOUT, Cli, ON_NODE} from './chrootctl.ts';
import {mountLoop} from '../contract/loop.ts';
import {temporaryDirectory} from '../temporary.ts';

describe('what follows -- reaches the command as it is', () => {
  test.each([
    ['repeated words', ['echo', 'a', 'b', 'a'], 'a b a'],
    ['flags of ours', ['echo', '--json', '--root', '/x', '--help', '-v'], '--json --root /x --help -v'],
    ['another --', ['echo', '--', 'x', '--'], '-- x --'],
    [
      'empty words and spaces',
      ['sh', '-c', 'for i; do echo "[$i]"; done', 'sh', '', ' a  b '],
      '[]\n[ a  b ]',
    ],
    ['newlines and quotes', ['echo', 'a\nb', `'"$HOME`], `a\nb '"$HOME`],
  ])('%s', async (_what, command, printed) => {
    const cli = new Cli();
    await cli.importRoot();
    expect(await cli.ok('run', 'base', '--', ...command)).toBe(printed);
  });

  test('standard input, every byte of it', async () => {
    const cli = new Cli();
    await cli.importRoot();
    const input = Buffer.from(Array.from({length: 100_000}, (_, index) => (index * 7919) & 255));
    const child = cli.start(['run', 'base', '--', 'cat']);
    const received: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => received.push(chunk));
    child.stdin?.end(input);
    await new Promise((resolve) => child.once('close', resolve));
    expect(Buffer.concat(received).equals(input)).toBe(true);
  });
});

describe('exit codes', () => {
  test.each([
    [['run', 'base', '--', 'sh', '-c', 'exit 3'], 3],
    [['run', 'base', '--', 'sh', '-c', 'kill -9 $$'], 137],
    [['run', 'base', '--', 'sh', '-c', 'kill -15 $$'], 143],
    [['run', 'base', '--', 'nope'], 127],
    [['run', 'base', '--', '/etc/passwd'], 126],
    [['run', 'nothing', '--', 'true'], 125],
    [['run', 'base:nothing', '--', 'true'], 125],
    [['run', 'base', '-u', 'nobody-here', '--', 'true'], 125],
    [['run', 'base', '--timeout', '1', '--', 'sleep', '20'], 124],
    [['run', 'base', '--bogus', '--', 'true'], 2],
    [['run', 'base', 'ls'], 2],
    [['run', '../x', '--', 'true'], 2],
    [['inspect', 'nothing'], 3],
    [['inspect', 'base:2'], 3],
    [['history', 'nothing'], 3],
    [['images', 'A'], 2],
    [['images', '../x'], 2],
    [['inspect', '--', '-rf'], 2],
    [['tag', 'base', '-rf'], 2],
    [['tag', 'base', 'a b'], 2],
    [['rm', 'base'], 5],
    [['rm', 'nothing'], 3],
    [['untag', 'base'], 2],
    [['untag', 'base:nothing'], 3],
    [['rollback', 'base'], 3],
    [['exec', 'nothing', '--', 'true'], 125],
    [['commit', 'nothing'], 3],
    [['session', 'end', 'nothing'], 3],
    [['session', 'end', '../x'], 2],
    [['session', 'begin', 'base', '--name', '../x'], 2],
    [['import', '/does/not/exist', 'x'], 3],
    [['import', '/etc/passwd', 'x'], 7],
    [['import', '/dev/null', 'x'], 7],
    [['export', 'nothing', '-'], 3],
    [['images', '--filter', 'x'], 2],
    [['images', '--driver', 'directory'], 2],
    [['images', '--driver', 'nope'], 2],
    [['run', 'base', '--memory', 'lots', '--', 'true'], 2],
    [['run', 'base', '-v', 'x', '--', 'true'], 2],
    [['run', 'base', '--profile', 'x', '--', 'true'], 2],
    [['run', 'base', '--cap-add', 'x', '--', 'true'], 2],
    [['prune', '--older-than', 'x'], 2],
    [['bogus'], 2],
    [['images', '--', 'x'], 2],
  ])('chrootctl %j ends with %d', async (args, code) => {
    const cli = await storeWithBase();
    const result = await cli.call(args);
    expect([result.code, result.stderr]).toEqual([code, expect.any(String)]);
    if (code > 0 && code < 8 && args[0] !== 'run') {
      // One line of what happened, one of what to do, no stack.
      expect(result.stderr).toMatch(/^chrootctl: [^\n]+\n {2}[^\n]+\n$/);
      const asJson = JSON.parse((await cli.call(withJson(args))).stdout) as object;
      expect(asJson).toEqual({
        error: {
          code: expect.stringMatching(/^[A-Z_]+$/),
          message: expect.any(String),
          hint: expect.any(String),
        },
      });
    }
    expect((await cli.call(['doctor'])).code).toBe(0);
  });
});

/** The flag goes before the words for a command. */
function withJson(args: readonly string[]): string[] {
  const at = args.indexOf('--');
  return at < 0 ? [...args, '--json'] : [...args.slice(0, at), '--json', ...args.slice(at)];
}

// The store is only read by these, or left as it was: one import serves them all.
let base: string | undefined;

afterAll(() => {
  if (base !== undefined) rmSync(dirname(base), {recursive: true, force: true});
});

async function storeWithBase(): Promise<Cli> {
  if (base === undefined) {
    // A store of plain files, which cp can copy.
    const cli = new Cli({driver: 'overlay'});
    await cli.importRoot();
    base = join(mkdtempSync(join(tmpdir(), 'chrootctl-exit-codes-')), 'store');
    execFileSync('cp', ['-a', cli.store, base]);
  }
  return new Cli({store: base});
}

describe('the launcher', () => {
  test.each([BINARY, ON_NODE])(
    '%s works through a symlink, from any directory, whatever node is on PATH',
    (program) => {
      const directory = temporaryDirectory();
      symlinkSync(program, join(directory, 'link'));
      symlinkSync('link', join(directory, 'chain'));
      mkdirSync(join(directory, 'path'));
      writeFileSync(join(directory, 'path/node'), '#!/bin/sh\necho wrong node >&2; exit 9\n', {mode: 0o755});
      const stdout = execFileSync('./chain', ['--version'], {
        cwd: directory,
        env: {PATH: `${join(directory, 'path')}:/usr/bin:/bin`},
        encoding: 'utf8',
      });
      expect(stdout).toMatch(/^chrootctl\/\d/);
    },
  );

  test('without its own node it says in one line what is missing', () => {
    const directory = temporaryDirectory();
    cpSync(join(ON_NODE, '..'), join(directory, 'bin'), {recursive: true});
    const run = (path: string): {status: number; stderr: string} => {
      try {
        execFileSync(join(directory, 'bin/chrootctl'), ['ps'], {env: {PATH: path}, stdio: 'pipe'});
        return {status: 0, stderr: ''};
      } catch (error) {
        const {status, stderr} = error as {status: number; stderr: Buffer};
        return {status, stderr: stderr.toString()};
      }
    };
    mkdirSync(join(directory, 'empty'));
    for (const tool of ['sh', 'readlink']) symlinkSync(`/bin/${tool}`, join(directory, 'empty', tool));
    expect(run(join(directory, 'empty'))).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^chrootctl: needs Node.js 22[^\n]*\n$/),
    });
  });
});

describe('stores', () => {
  test('one of a newer format is left alone', async () => {
    const cli = new Cli();
    await cli.ok('init');
    const file = join(cli.store, 'format.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"format": 1', '"format": 2'));
    const {code, stderr} = await cli.call(['images']);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/has format 2.*\n.*upgrade/)]);
  });

  test('many that come at once make one store', async () => {
    const cli = new Cli();
    const calls = await Promise.all(Array.from({length: 8}, () => cli.call(['images', '--json'])));
    expect(calls).toEqual(calls.map(() => ({code: 0, stdout: '[]\n', stderr: ''})));
  });

  test('a directory with somebody else’s files does not become one', async () => {
    const cli = new Cli();
    writeFileSync(join(cli.directory, 'precious'), '');
    const {code} = await cli.call(['init', '--root', cli.directory]);
    expect(code).toBe(2);
    expect(readdirSync(cli.directory)).toEqual(['precious']);
    expect((await cli.call(['init', '--root', '/'])).code).toBe(2);
  });

  test('are closed to other users, whatever the umask', () => {
    const cli = new Cli();
    execFileSync('sh', ['-c', `umask 0; ${BINARY} init --root ${cli.store}`]);
    for (const room of ['volumes', 'mnt', 'sessions', 'execs']) {
      expect(statSync(join(cli.store, room)).mode & 0o777).toBe(0o700);
    }
  });

  test('another user is told that root is needed', async () => {
    const cli = new Cli();
    await cli.importRoot();
    execFileSync('chmod', ['755', cli.directory]);
    const to = join(cli.directory, 'checkout');
    const call = (...args: string[]): {status: number | null; stderr: string} => {
      const {status, stderr} = callAsNobody({from: CHECKOUT, to}, [join(to, 'bin/chrootctl'), ...args]);
      return {status, stderr};
    };
    expect(call('images', '--root', join(cli.directory, 'new'))).toEqual({
      status: 6,
      stderr: expect.stringMatching(/root/),
    });
    expect(call('ps', '--root', cli.store)).toEqual({status: 6, stderr: expect.stringMatching(/root/)});
    expect(call('rm', '--force', 'base', '--root', cli.store).status).toBe(6);
    const run = call('run', 'base', '--root', cli.store, '--', 'true');
    expect(run).toEqual({
      status: 125,
      stderr: expect.stringMatching(/permission denied, open .*\n {2}run as root/),
    });
    expect(call('init', '--root', cli.store).stderr).toMatch(/only root may do that\n {2}run as root/);
    await cli.ok('run', 'base', '--', 'true');
  });
});

test('a full disk fails an import and a commit, loses nothing, and leaves the store well', async () => {
  const mounted = mountLoop('ext4', temporaryDirectory(), {bytes: 64 << 20, options: ['-m', '0']});
  const cli = new Cli({store: join(mounted, 'store')});
  await cli.importRoot();

  const big = join(cli.directory, 'big.tar');
  writeFileSync(join(cli.directory, 'big'), Buffer.alloc(100 * 2 ** 20, 'x'));
  execFileSync('tar', ['-C', cli.directory, '-cf', big, 'big']);
  const imported = await cli.call(['import', big, 'big']);
  expect([imported.code, imported.stderr]).toEqual([1, expect.stringMatching(/[Nn]o space/)]);
  expect(imported.stderr).toMatch(/free some space/);
  expect(await cli.ok('doctor')).toBe('all is well');

  const filled = await cli.call(['run', 'base', '--commit', '--', 'dd', 'if=/dev/zero', 'of=/fill', 'bs=1M']);
  expect(filled.code).toBe(1); // dd's own: nothing is committed.

  // The command succeeds and leaves hardly room for a record: either there is one, or nothing has changed.
  const exact = await cli.call([
    'run',
    'base',
    '--commit',
    '--',
    'sh',
    '-c',
    'dd if=/dev/zero of=/fill bs=1M; i=0; while echo x > /f$i; do i=$((i+1)); done; true',
  ]);
  if (exact.code === 0) {
    expect(await cli.json('images', 'base')).toHaveLength(2);
    // There may be no room to begin anything, but there is always room to clean up.
    await cli.ok('rollback', 'base');
    await cli.ok('prune');
  } else {
    expect([exact.code, exact.stderr]).toEqual([125, expect.stringMatching(/no space/i)]);
  }
  expect(await cli.json<unknown[]>('images')).toHaveLength(1);
  await cli.ok('run', 'base', '--', 'true');
  await cli.ok('gc');
  expect(await cli.ok('doctor')).toBe('all is well');
  expect(existsSync(join(cli.store, 'images/big'))).toBe(false);
});

test('with room for a few files only, a run writes or says that there is no room', async () => {
  const mounted = mountLoop('ext4', temporaryDirectory(), {bytes: 64 << 20, options: ['-N', '256']});
  const cli = new Cli({store: join(mounted, 'store'), driver: 'overlay'});
  await cli.importRoot();
  await cli.ok('run', 'base', '--', 'true');
  const fillers = join(mounted, 'fillers');
  mkdirSync(fillers);
  const outcomes: number[] = [];
  for (let room = 0; room < 20; room++) {
    execFileSync('sh', ['-c', `i=0; while touch ${fillers}/$i 2>/dev/null; do i=$((i+1)); done`]);
    for (let file = 0; file < room; file++) rmSync(join(fillers, String(file)));
    const {code, stderr} = await cli.call(['run', 'base', '--', 'sh', '-c', 'echo x > /x']);
    if (code !== 0) expect({room, stderr}).toEqual({room, stderr: expect.stringMatching(/no space left/i)});
    outcomes.push(code);
    await cli.ok('gc');
  }
  expect(new Set(outcomes)).toEqual(new Set([125, 1, 0]));
  expect(await cli.ok('doctor')).toBe('all is well');
});
