/** The virtualisation server, as whoever calls it sees it. */
import {afterEach, beforeEach, describe, expect, test} from '@jest/globals';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {Cli, cleanUp} from '../cli/chrootctl.ts';
import {eventually} from '../eventually.ts';
import {Caller} from './caller.ts';

afterEach(cleanUp);

let cli: Cli;

beforeEach(async () => {
  cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  await cli.ok('run', 'base', '--commit', '-q', '--', 'chmod', '1777', '/tmp');
});

/** That nothing is left of any testbed. */
async function expectNothing(): Promise<void> {
  expect(await cli.json('ps')).toEqual([]);
  for (const directory of ['sessions', 'execs', 'mnt'])
    expect(readdirSync(join(cli.store, directory))).toEqual([]);
  expect(readdirSync(join(cli.store, 'locks')).filter((name) => /^(?:owner|exec)-/.test(name))).toEqual([]);
  expect(await cli.ok('doctor')).toBe('all is well');
}

const sh = (script: string): string[] => ['sh', '-c', script];

test('a testbed is opened, used, reverted and closed', async () => {
  const caller = new Caller(cli, 'base');
  const scratch = await caller.open();
  expect(scratch).toMatch(/^\/tmp\/autopkgtest\.\w+$/);
  expect(await caller.ask('capabilities')).toBe(
    'ok revert revert-full-system root-on-testbed suggested-normal-user=guest',
  );
  const all = await caller.execute(
    sh('cat; echo err >&2; id -u; pwd; stat -c %a "$0"; exit 7').concat(scratch),
    'in\n',
  );
  expect(all).toEqual({code: 7, stdout: 'in\n0\n/\n1777\n', stderr: 'err\n'});
  expect(await caller.execute(sh('kill -9 $$'))).toMatchObject({code: 137});
  expect(await caller.execute(['nothing-of-the-kind'])).toMatchObject({code: 127});

  await caller.execute(sh(`touch /bin/trace ${scratch}/trace; rm /etc/passwd`));
  const before = await caller.executeCommand();
  expect(await caller.ask('revert')).toBe(`ok ${scratch}`);
  expect(await caller.execute(sh(`cat /etc/passwd | wc -l; ls /bin/trace; ls -A ${scratch}`))).toMatchObject({
    stdout: '2\n',
  });
  expect(await caller.executeCommand()).not.toEqual(before);

  expect(await caller.ask('close')).toBe('ok');
  await expectNothing();
  await caller.ask('open');
  expect((await caller.execute(['id', '-un'])).stdout).toBe('root\n');
  expect(await caller.quit()).toMatchObject({code: 0, stderr: ''});
  await expectNothing();
});

test.each(['directory', 'btrfs'])('the same on %s', async (driver) => {
  cli = new Cli({driver});
  await cli.importRoot();
  const caller = new Caller(cli, 'base');
  await caller.open();
  await caller.execute(sh('rm /etc/passwd; touch /trace'));
  await caller.ask('revert');
  expect(await caller.execute(sh('ls /trace /etc/passwd'))).toMatchObject({stdout: '/etc/passwd\n'});
  expect(await caller.quit()).toMatchObject({code: 0, stderr: ''});
  await expectNothing();
});

test('a revert is to the version that was opened, and the next open to the latest', async () => {
  const caller = new Caller(cli, 'base');
  await caller.open();
  await cli.ok('run', 'base', '--commit', '-q', '--', 'touch', '/new');
  const look = async (): Promise<number> => (await caller.execute(['ls', '/new'])).code;
  await caller.ask('revert');
  expect(await look()).toBe(1);
  await caller.ask('close');
  await caller.ask('open');
  expect(await look()).toBe(0);
  await caller.quit();
});

test('others run commands in it, and do not end it', async () => {
  const caller = new Caller(cli, 'base');
  await caller.open();
  const [only] = await cli.json<Record<string, unknown>[]>('ps');
  const {id, ephemeral, state, command} = only!;
  expect({ephemeral, state, command}).toEqual({
    ephemeral: true,
    state: 'running',
    command: ['autopkgtest', 'base'],
  });
  expect(await cli.ok('exec', String(id), '--', 'echo', 'here')).toBe('here');
  expect(existsSync(join(await cli.ok('session', 'path', String(id)), 'bin/busybox'))).toBe(true);
  for (const words of [
    ['session', 'end', String(id)],
    ['session', 'rm', String(id)],
    ['commit', String(id)],
    ['rm', '--force', 'base'],
  ])
    expect({words, ...(await cli.call(words))}).toMatchObject({words, code: 5});
  expect(await cli.ok('gc')).toBe('');
  expect((await caller.execute(['true'])).code).toBe(0);
  await cli.ok('session', 'rm', '--force', String(id));
  expect((await caller.ended).stderr).toBe('(SIGKILL)');
  await expectNothing();
});

test('the flags hold in every command', async () => {
  const shared = join(cli.directory, 'shared');
  mkdirSync(shared);
  const words = [
    '-u',
    'guest',
    '-v',
    `${shared}:/shared`,
    '-e',
    'A=b c',
    '--network',
    'none',
    '--pids-limit',
    '50',
  ];
  const caller = new Caller(cli, 'base', ...words);
  await caller.open();
  expect(await caller.ask('capabilities')).toBe('ok revert suggested-normal-user=guest');
  const {stdout} = await caller.execute(sh('id -un; echo "$A"; ls /sys/class/net; ls -d /shared'));
  expect(stdout).toBe('guest\nb c\nlo\n/shared\n');
  await caller.quit();
});

test.each([
  [['none'], 3, /^chrootctl: there is no image 'none'\n/],
  [['base', '-u', 'nobody-here'], 1, /^chrootctl: no user nobody-here in the root's \/etc\/passwd\n/],
  [['base', '--memory', 'much'], 2, /^chrootctl: /],
  [[], 2, /^chrootctl: /],
])('with %j nothing is greeted, and the error is clear', async (words, code, stderr) => {
  const caller = new Caller(cli, ...words);
  expect(await caller.read()).toBeUndefined();
  expect(await caller.ended).toMatchObject({code, stderr: expect.stringMatching(stderr)});
});

describe('an end', () => {
  let caller: Caller;
  let child: Awaited<ReturnType<Caller['start']>>;

  /** With a command that would never end. */
  beforeEach(async () => {
    caller = new Caller(cli, 'base');
    await caller.open();
    child = await caller.start(sh('echo begun; sleep 1000'));
    await new Promise((resolve) => child.stdout?.once('data', resolve));
  });

  const ended = async (): Promise<boolean> =>
    eventually(() => child.exitCode !== null || child.signalCode !== null);

  test.each([
    ['by close and quit', ['close', 'quit'], 0, ''],
    ['by quit', ['quit'], 0, ''],
    ['by what is no order', ['dance'], 2, "chrootctl: there is no command 'dance'\n"],
    [
      'by reboot, which is not among the capabilities',
      ['reboot'],
      2,
      "chrootctl: there is no command 'reboot'\n",
    ],
  ])('%s takes all with it', async (_, lines, code, stderr) => {
    for (const line of lines) caller.child.stdin?.write(`${line}\n`);
    expect(await caller.ended).toMatchObject({code, stderr: expect.stringContaining(stderr)});
    expect(await ended()).toBe(true);
    await expectNothing();
  });

  test('of its input takes all with it, and is told', async () => {
    caller.child.stdin?.end();
    expect(await caller.ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^chrootctl: the caller has gone/),
    });
    expect(await ended()).toBe(true);
    await expectNothing();
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('by %s takes all with it', async (signal) => {
    caller.child.kill(signal);
    const {code} = await caller.ended;
    expect(code).toBe({SIGHUP: 129, SIGINT: 130, SIGTERM: 143}[signal]);
    expect(await ended()).toBe(true);
    await expectNothing();
  });

  test('by kill -9 leaves what gc collects, when nothing runs in it any more', async () => {
    caller.child.kill('SIGKILL');
    await caller.ended;
    const busy = await cli.call(['gc']);
    expect(busy).toMatchObject({code: 5, stderr: expect.stringContaining('is in use')});
    expect((await cli.call(['exec', (await onlySession()).id, '--', 'true'])).code).toBe(125);
    child.kill('SIGTERM');
    expect(await ended()).toBe(true);
    expect(await cli.ok('gc')).toContain('its process');
    await expectNothing();
  });

  test('by kill -9 is seen from another pid namespace', async () => {
    const through = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
    expect((await cli.call(['gc'], {through})).stdout).toBe('');
    expect((await onlySession()).state).toBe('running');
    child.kill('SIGTERM');
    await ended();
    caller.child.kill('SIGKILL');
    await caller.ended;
    // What commands have left running in there may be there still, and is not to be seen from here.
    expect(await cli.call(['gc'], {through})).toMatchObject({
      code: 5,
      stdout: '',
      stderr: expect.stringContaining('has a sandbox elsewhere'),
    });
    expect((await cli.call(['gc'])).stdout).toMatch(/^session \S+ of base: [^\n]+ is gone\n$/);
    await expectNothing();
  });

  async function onlySession(): Promise<{id: string; state: string}> {
    const [only] = await cli.json<{id: string; state: string}[]>('ps');
    if (only === undefined) throw new Error('there is no session');
    return only;
  }
});

test('of a command that cannot be run because of us, 255 tells', async () => {
  const caller = new Caller(cli, 'base');
  await caller.open();
  const [file = '', ...words] = await caller.executeCommand();
  await caller.ask('close');
  const outcome = await cli.call([...words, 'true'], {program: file});
  expect(outcome).toMatchObject({
    code: 255,
    stdout: '',
    stderr: expect.stringMatching(/there is no session/),
  });
  await caller.quit();
});

describe('copies', () => {
  const NAMES = ['a b', 'per%cent', 'com,ma', 'é\u{1F600}', '-dash', 'quo\'te"', 'new\nline', '*', '$(id)'];
  const quoted = (path: string): string => encodeURIComponent(path).replaceAll('%2F', '/');
  let caller: Caller;
  let scratch: string;

  beforeEach(async () => {
    caller = new Caller(cli, 'base');
    scratch = await caller.open();
  });
  afterEach(async () => {
    expect(await caller.quit()).toMatchObject({code: 0});
  });

  test.each(NAMES)('of the file %j come back as they were', async (name) => {
    const [there, back] = [join(cli.directory, name), join(cli.directory, `${name}.back`)];
    const inside = `${scratch}/${name}`;
    writeFileSync(there, 'of it\n', {mode: 0o755});
    expect(await caller.ask(`copydown ${quoted(there)} ${quoted(inside)}`)).toBe('ok');
    expect(await caller.execute(['stat', '-c', '%a %s', inside])).toMatchObject({stdout: '755 6\n'});
    expect(await caller.ask(`copyup ${quoted(inside)} ${quoted(back)}`)).toBe('ok');
    expect(readFileSync(back, 'utf8')).toBe('of it\n');
  });

  test('of a directory come back as they were, and go into one that is there', async () => {
    const [there, back] = [join(cli.directory, 'tree'), join(cli.directory, 'back')];
    mkdirSync(join(there, 'empty'), {recursive: true});
    for (const name of NAMES) writeFileSync(join(there, name), name);
    symlinkSync('/etc/passwd', join(there, 'link'));
    mkdirSync(back);
    writeFileSync(join(back, 'before'), '');
    expect(await caller.ask(`copydown ${there}/ ${scratch}/tree/`)).toBe('ok');
    expect(await caller.ask(`copyup ${scratch}/tree/ ${back}/`)).toBe('ok');
    expect(readdirSync(back).sort()).toEqual([...NAMES, 'before', 'empty', 'link'].sort());
    for (const name of NAMES) expect(readFileSync(join(back, name), 'utf8')).toBe(name);
  });

  test('a large file is copied whole', async () => {
    const [there, back] = [join(cli.directory, 'large'), join(cli.directory, 'large.back')];
    const content = Buffer.alloc(20_000_000, 'chrootctl');
    writeFileSync(there, content);
    expect(await caller.ask(`copydown ${there} ${scratch}/large`)).toBe('ok');
    expect(await caller.ask(`copyup ${scratch}/large ${back}`)).toBe('ok');
    expect(readFileSync(back).equals(content)).toBe(true);
  });

  test.each([
    ['copydown HOST/none IN/x', 'ENOENT'],
    ['copyup IN/none HOST/x', 'none'],
    ['copydown HOST/none/ IN/x/', 'none'],
    ['copyup IN/none/ HOST/x/', 'none'],
    ['copydown HOST/store IN/x', 'is not a file'],
    ['copyup /etc/passwd HOST/no/such/x', 'no/such'],
  ])('%s is answered with copy-failed, and goes on', async (line, why) => {
    const told = new Promise<string>((resolve) =>
      caller.child.stderr?.once('data', (text) => resolve(String(text))),
    );
    const words = line.replaceAll('HOST', cli.directory).replaceAll('IN', scratch);
    expect(await caller.ask(words)).toBe('copy-failed');
    expect(await told).toContain(why);
    expect((await caller.execute(['true'])).code).toBe(0);
  });

  test('what comes out is nobody elses, and nowhere else', async () => {
    const back = join(cli.directory, 'back');
    const evil = `${scratch}/evil`;
    const script = `mkdir ${evil}; cp /bin/busybox ${evil}/root; chown 1000:1000 ${evil}/root; chmod 6755 ${evil}/root;
      ln -s ${cli.directory} ${evil}/out`;
    expect((await caller.execute(sh(script.replace('cp ', '/bin/busybox cp ')))).stderr).toBe('');
    expect(await caller.ask(`copyup ${evil}/ ${back}/`)).toBe('ok');
    const {mode, uid, gid} = lstatSync(join(back, 'root'));
    expect([mode & 0o7777, uid, gid]).toEqual([0o755, 0, 0]);
    // A second one goes by a link that the first one has left.
    await caller.execute(sh(`rm ${evil}/out; mkdir ${evil}/out; echo x > ${evil}/out/written`));
    await caller.ask(`copyup ${evil}/ ${back}/`);
    expect(existsSync(join(cli.directory, 'written'))).toBe(false);
  });
});

test('the time for a copy is limited as autopkgtest wants it', async () => {
  const slow = new Cli({store: cli.store, env: {AUTOPKGTEST_VIRT_COPY_TIMEOUT: '1'}});
  const caller = new Caller(slow, 'base');
  const scratch = await caller.open();
  await caller.execute(['/bin/busybox', 'mkfifo', `${scratch}/pipe`]);
  expect(await caller.ask(`copyup ${scratch}/pipe ${slow.directory}/x`)).toBe('timeout');
  expect((await caller.quit()).code).toBe(0);
});

test('who quits need not listen', async () => {
  const caller = new Caller(cli, 'base');
  await caller.open();
  caller.child.stdout?.destroy();
  expect(await caller.quit()).toMatchObject({code: 0, stderr: ''});
  await expectNothing();
});
