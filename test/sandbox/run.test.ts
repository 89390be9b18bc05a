import {describe, expect, test} from '@jest/globals';
import {closeSync, mkdirSync, openSync, symlinkSync, writeFileSync} from 'node:fs';
import {spawn} from 'node:child_process';
import {join} from 'node:path';
import {temporaryDirectory} from '../temporary.ts';
import {end, launcher, runIn, sandbox, sh, start, upperOf} from './sandbox.ts';

describe('the end of the command', () => {
  test.each([
    [sh('exit 0'), 0],
    [sh('exit 77'), 77],
    [sh('kill -9 $$'), 137],
    [sh('kill -TERM $$'), 143],
    [['/nowhere/nope'], 127],
    [['nope'], 127],
    [['/etc/passwd'], 126],
    [['/etc'], 126],
  ])('%j ends with %i', async (command, code) => {
    expect((await runIn(command)).code).toBe(code);
  });

  test('a missing program is named on stderr', async () => {
    expect(await runIn(['nope'])).toEqual({
      code: 127,
      stdout: '',
      stderr: 'chrootctl: failed to execute nope: No such file or directory\n',
    });
  });

  test('so it is for another user and with awkward variables', async () => {
    const {code, stderr} = await runIn(['nope'], {user: 'daemon', env: {LANG: 'C.UTF-8', 'a.b': '1'}});
    expect(code).toBe(127);
    expect(stderr).toContain('nope');
  });

  test('processes left in the background are gone, and so is the mount', async () => {
    const spec = await sandbox(sh('sleep 4242 & sleep 4242 & exit 3'));
    expect((await end(start(spec))).code).toBe(3);
    // Only when nothing has it mounted any more can the same plan be mounted again elsewhere and be written.
    expect((await end(start({...spec, command: sh('touch /again')}))).code).toBe(0);
  });
});

describe('what goes in', () => {
  test('arguments arrive as they are', async () => {
    const words = ['a', '', 'a', '-x', '--', 'b c', "'", '"$HOME"', '\n', 'ü', '*'];
    const {stdout} = await runIn(['printf', '%s|', ...words]);
    expect(stdout).toBe(words.map((word) => `${word}|`).join(''));
  });

  test('a program whose name looks like an option is only a name', async () => {
    const {code, stderr} = await runIn(['--version']);
    expect(code).toBe(127);
    expect(stderr).toContain('--version');
  });

  test('stdin reaches the command byte for byte', async () => {
    const stdin = Array.from({length: 20_000}, (_, line) => `line ${line}\r\n\t`).join('');
    const {stdout} = await runIn(['cat'], {}, {stdin});
    expect(stdout).toBe(stdin);
  });

  test('of the environment only what was chosen, and what a login sets', async () => {
    const {stdout} = await runIn(
      ['env'],
      {env: {A: '1', 'odd.name': 'x=y', PWD: '/made/up'}},
      {env: {SECRET: 'leaked'}},
    );
    expect(stdout.trim().split('\n').sort()).toEqual([
      'A=1',
      'HOME=/root',
      'LOGNAME=root',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'PWD=/made/up',
      'SHELL=/bin/bash',
      'USER=root',
      'odd.name=x=y',
    ]);
  });

  test('without awkward variables it is just as clean', async () => {
    const {stdout} = await runIn(['env'], {env: {A: '1'}, user: '4321'}, {env: {SECRET: 'leaked'}});
    expect(stdout.trim().split('\n').sort()).toEqual([
      'A=1',
      'HOME=/',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      'SHELL=/bin/sh',
    ]);
  });

  test('a variable for the dynamic linker acts on the command alone', async () => {
    const {stderr} = await runIn(['true'], {env: {LD_PRELOAD: '/nope.so'}});
    expect(stderr.match(/nope\.so/g)).toHaveLength(1);
  });

  test('no open file but the standard streams, whatever the caller had open', async () => {
    const spec = await sandbox(sh('echo /proc/self/fd/*'));
    const [node = '', ...args] = launcher(spec);
    const directory = openSync('/', 'r');
    try {
      const stdio: ('pipe' | 'ignore' | number)[] = Array.from({length: 58}, (_, fd) =>
        fd < 3 ? 'pipe' : 'ignore',
      );
      for (const fd of [3, 4, 5, 6, 9, 10, 57]) stdio[fd] = directory;
      const child = spawn(node, args, {stdio});
      const {stdout, code} = await end(child);
      expect(code).toBe(0);
      // The shell's own listing of the directory is the fourth.
      expect(stdout.trim()).toMatch(
        /^\/proc\/self\/fd\/0 \/proc\/self\/fd\/1 \/proc\/self\/fd\/2 \/proc\/self\/fd\/3$/,
      );
    } finally {
      closeSync(directory);
    }
  });

  test('umask and working directory', async () => {
    expect((await runIn(sh('umask; pwd'), {workdir: '/usr/share'})).stdout).toBe('0022\n/usr/share\n');
  });

  test('a working directory that is a link is followed inside', async () => {
    const spec = await sandbox(['pwd'], {workdir: '/link'});
    symlinkSync('/usr/share', join(upperOf(spec), 'link'));
    expect((await end(start(spec))).stdout).toBe('/usr/share\n');
  });

  test('the host name', async () => {
    expect((await runIn(['hostname'], {hostname: 'builder'})).stdout).toBe('builder\n');
  });
});

describe('what is refused before anything runs', () => {
  test.each([
    [{workdir: '/nope'}, /^FAILED: no directory \/nope/],
    [{workdir: '/etc/passwd'}, /^FAILED: .*not a directory/],
    [{user: 'nobody-here'}, /^FAILED: no user nobody-here/],
    [{user: 'root:nogroup-here'}, /^FAILED: no group nogroup-here/],
    [{env: {'A=B': ''}}, /^USAGE/],
    [{env: {A: 'x\0'}}, /^USAGE/],
    [{command: ['a\0b']}, /^USAGE/],
    [{command: ['']}, /^USAGE/],
    [{hostname: '-x'}, /^USAGE/],
    [{capabilities: {add: ['NONSENSE'], drop: []}}, /^USAGE/],
    [{volumes: [{source: '/nope/x', target: '/x', readOnly: false}]}, /^FAILED: .*\/nope\/x does not exist/],
    [{volumes: [{source: '/etc', target: 'x', readOnly: false}]}, /^USAGE/],
    [{volumes: [{source: '/etc', target: '/a/../x', readOnly: false}]}, /^USAGE/],
    [{volumes: [{source: '/etc', target: '/', readOnly: false}]}, /^USAGE/],
    [{volumes: [{source: '/etc', target: '/proc/x', readOnly: false}]}, /^USAGE/],
    [{volumes: [{source: '/etc', target: '/dev', readOnly: false}]}, /^USAGE/],
    [{volumes: [{source: '/etc', target: '/etc/passwd', readOnly: false}]}, /^USAGE/],
  ])('%j', async (changes, message) => {
    const {code, stderr} = await runIn(['true'], changes);
    expect(code).toBe(125);
    expect(stderr).toMatch(message);
  });

  test('an argument that is too long for the kernel', async () => {
    const {code, stderr} = await runIn(['true', 'x'.repeat(200_000)]);
    expect(code).toBe(125);
    expect(stderr).toMatch(/^USAGE: .*too long/);
  });

  test('a mount that fails says why, and not as the command', async () => {
    const spec = await sandbox(['true']);
    if (!('plan' in spec.root)) throw new Error('a plan was expected');
    const broken = {...spec.root, plan: {...spec.root.plan, options: ['lowerdir=/nowhere']}};
    const {code, stderr, stdout} = await end(start({...spec, root: broken}));
    expect({code, stdout}).toEqual({code: 125, stdout: ''});
    expect(stderr).toMatch(/^FAILED: cannot set up the sandbox: mount: .+\n$/);
  });
});

describe('volumes', () => {
  test('read-write and read-only, files and directories, one inside the other', async () => {
    const host = temporaryDirectory();
    mkdirSync(join(host, 'outer'));
    mkdirSync(join(host, 'inner'));
    writeFileSync(join(host, 'inner', 'file'), 'inner');
    writeFileSync(join(host, 'single'), 'single');
    const {stdout} = await runIn(
      sh(
        'echo new >/v/w; cat /v/in/file /etc/single; echo x 2>/dev/null >/v/in/file || echo read-only; ls /v',
      ),
      {
        volumes: [
          {source: join(host, 'inner'), target: '/v/in', readOnly: true},
          {source: join(host, 'outer'), target: '/v', readOnly: false},
          {source: join(host, 'single'), target: '/etc/single', readOnly: true},
        ],
      },
    );
    expect(stdout).toBe('innersingleread-only\nin\nw\n');
  });

  test('a link in the root leads nowhere else', async () => {
    const host = temporaryDirectory();
    const outside = temporaryDirectory();
    writeFileSync(join(host, 'file'), 'volume');
    const spec = await sandbox(sh(`cat ${outside}/file; cat /away/file; ls /up`), {
      volumes: [
        {source: host, target: '/away', readOnly: false},
        {source: host, target: '/up/there', readOnly: false},
      ],
    });
    symlinkSync(outside, join(upperOf(spec), 'away'));
    symlinkSync('../../../..', join(upperOf(spec), 'up'));
    const {stdout, code} = await end(start(spec));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^volumevolume/);
    expect(stdout).toContain('there');
  });

  test('a read-only root with a writable volume', async () => {
    const host = temporaryDirectory();
    const {stdout} = await runIn(
      sh('touch /x 2>/dev/null || echo no; touch /v/x && echo yes; touch /dev/shm/x && echo shm'),
      {
        readOnly: true,
        volumes: [{source: host, target: '/v', readOnly: false}],
      },
    );
    expect(stdout).toBe('no\nyes\nshm\n');
  });
});
