/** Root that may not do everything, as in containers: what is missing is said, with the line that helps. */
import {afterEach, beforeAll, describe, expect, test} from '@jest/globals';
import {existsSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {keepForAllTests, temporaryDirectory} from '../temporary.ts';
import {busyboxRoot, type CallOptions, cleanUp, Cli, ON_NODE, type Outcome} from './chrootctl.ts';
import {after, IN_NAMESPACES, IN_USER_NAMESPACE, without, withoutCall} from './lesser-root.ts';

afterEach(cleanUp);

const DOCKER = {container: 'docker'};
const DOCKER_LINE =
  'start it with: docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined …';
const NO_MOUNTS: CallOptions = {through: without('sys_admin'), env: DOCKER};

/** A store with an image and a session, made by a root that may do everything. */
const stores = new Map<string, Cli>();
let tar: string;

beforeAll(async () => {
  for (const driver of ['overlay', 'directory']) {
    const cli = new Cli({driver});
    await cli.importRoot();
    await cli.ok('session', 'begin', 'base', '--name', 'begun');
    stores.set(driver, cli);
  }
  tar = join(stores.get('overlay')!.directory, 'base.tar');
  await stores.get('overlay')!.ok('export', 'base', tar);
  keepForAllTests();
});

/** What a call said, as one text; never to root that it should become root, and never the words of a program of ours. */
function said({stdout, stderr}: Outcome): string {
  const text = stdout + stderr;
  expect(text).not.toMatch(/sudo|unshare failed|\(exit code/);
  return text;
}

describe.each(['overlay', 'directory'])('without mounts, in a store on %s', (driver) => {
  const call = (args: readonly string[], options: CallOptions = {}): Promise<Outcome> =>
    stores.get(driver)!.call(args, {...NO_MOUNTS, ...options});

  const calls: [code: number, args: string[]][] = [
    [125, ['run', 'base', '--', 'true']],
    [125, ['run', 'base', '--network', 'none', '-u', 'guest', '--', 'true']],
    [125, ['exec', 'begun', '--', 'true']],
    [6, ['update', 'base', '--', 'true']],
    [6, ['session', 'begin', 'base']],
    [6, ['session', 'end', 'begun']],
    [6, ['commit', 'begun']],
    [6, ['import', 'TAR', 'other']],
    [6, ['import', 'ROOT', 'other']],
    [6, ['export', 'base', 'OUT']],
    [6, ['bootstrap', 'stable', 'other', '--mirror', 'http://127.0.0.1:9/debian']],
    [1, ['doctor']],
    [0, ['info']],
    [0, ['init']],
  ];

  // What the drivers have in common once is enough.
  const own = ['run', 'session'];
  test.each(calls.filter(([, [name = '']]) => driver === 'overlay' || own.includes(name)))(
    '%d: %j',
    async (code, args) => {
      const out = join(stores.get(driver)!.directory, 'out.tar');
      const words = args.map((word) => ({TAR: tar, ROOT: busyboxRoot(), OUT: out})[word] ?? word);
      const outcome = await call(words);
      const text = said(outcome);
      expect([args, outcome.code]).toEqual([args, code]);
      expect(text).toContain('this docker container lacks CAP_SYS_ADMIN');
      expect(text).toContain(DOCKER_LINE);
      expect(existsSync(out)).toBe(false);
    },
  );

  test('nothing is left of the attempts, and with all rights nothing has changed', async () => {
    const cli = stores.get(driver)!;
    expect(await cli.ok('doctor')).toBe('all is well');
    expect(await cli.ok('exec', 'begun', '--', 'echo', 'fine')).toBe('fine');
    expect((await cli.json<{name: string}[]>('ps')).map(({name}) => name)).toEqual(['begun']);
  });
});

test('what needs no rights works without', async () => {
  const cli = stores.get('overlay')!;
  for (const args of [['images'], ['ps'], ['history', 'base'], ['inspect', 'base'], ['gc']]) {
    const {code, stderr} = await cli.call(args, NO_MOUNTS);
    expect([args, code, stderr]).toEqual([args, 0, '']);
  }
});

describe('in JSON', () => {
  test('an error has the line as its hint; for run on standard error', async () => {
    const cli = stores.get('overlay')!;
    const error = {
      code: 'NOT_PERMITTED',
      message: 'cannot set up the sandbox: this docker container lacks CAP_SYS_ADMIN',
      hint: DOCKER_LINE,
    };
    const run = await cli.call(['run', 'base', '--json', '--', 'true'], NO_MOUNTS);
    expect([run.code, run.stdout, JSON.parse(run.stderr)]).toEqual([125, '', {error}]);
    const update = await cli.call(['update', 'base', '--json', '--', 'true'], NO_MOUNTS);
    expect([update.code, JSON.parse(update.stdout), update.stderr]).toEqual([6, {error}, '']);
  });

  test('doctor, info and init name the problem', async () => {
    const cli = stores.get('overlay')!;
    const problem = {
      kind: 'permission',
      what: 'no command can run here: this docker container lacks CAP_SYS_ADMIN',
      fix: DOCKER_LINE,
    };
    const answer = async (...args: string[]): Promise<[number, unknown]> => {
      const {code, stdout} = await cli.call([...args, '--json'], NO_MOUNTS);
      return [code, JSON.parse(stdout)];
    };
    expect(await answer('doctor')).toEqual([1, {ok: false, problems: [problem], fixed: []}]);
    expect(await answer('info')).toEqual([
      0,
      expect.objectContaining({hindrances: [problem], healthy: false, problems: 1}),
    ]);
    expect(await answer('init')).toEqual([0, expect.objectContaining({hindrances: [problem]})]);
  });
});

describe('where there is no store yet', () => {
  test('one is made by nobody but init, which says what it is worth there', async () => {
    const cli = new Cli();
    for (const args of [['run', 'base', '--', 'true'], ['import', tar, 'base'], ['images'], ['info']]) {
      const outcome = await cli.call(args, NO_MOUNTS);
      expect([args, outcome.code]).toEqual([args, args[0] === 'run' ? 125 : 6]);
      expect(said(outcome)).toMatch(/^chrootctl: there is no store at .+ lacks CAP_SYS_ADMIN\n {2}start it /);
    }
    const doctor = await cli.call(['doctor', '--json'], NO_MOUNTS);
    expect([doctor.code, JSON.parse(doctor.stdout)]).toEqual([
      1,
      expect.objectContaining({problems: [expect.objectContaining({kind: 'permission', fix: DOCKER_LINE})]}),
    ]);
    expect(existsSync(join(cli.store, 'format.json'))).toBe(false);

    const init = await cli.call(['init'], NO_MOUNTS);
    expect([init.code, init.stdout]).toEqual([0, `${cli.store}: driver directory\n`]);
    expect(init.stderr).toContain(DOCKER_LINE);
    expect(init.stderr).toMatch(/^the store keeps this driver: .+; overlayfs does not work on .+$/m);
    expect(readdirSync(join(cli.store, 'volumes'))).toEqual([]);
  });

  test('what is asked for by name fails with the reason', async () => {
    const outcome = await new Cli().call(['init', '--driver', 'overlay'], NO_MOUNTS);
    expect([outcome.code, said(outcome)]).toEqual([
      6,
      expect.stringMatching(
        /^chrootctl: the overlay driver cannot work in .+: cannot mount a volume: .+ lacks CAP_SYS_ADMIN\n {2}start it with: docker /,
      ),
    ]);
  });
});

describe('the line is that of', () => {
  test.each([
    [
      'podman',
      {
        through: [
          ...after('mount -t tmpfs tmpfs /run && >/run/.containerenv'),
          ...without('sys_admin', 'mknod'),
        ],
      },
      'this podman container lacks CAP_SYS_ADMIN, CAP_MKNOD\n' +
        '  start it with: podman run --cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add MKNOD …\n',
    ],
    [
      'Kubernetes',
      {through: without('sys_admin'), env: {KUBERNETES_SERVICE_HOST: '10.0.0.1'}},
      'this Kubernetes container lacks CAP_SYS_ADMIN\n' +
        '  give the container in its pod: securityContext: {capabilities: {add: [SYS_ADMIN, NET_ADMIN]}}\n',
    ],
  ])('%s', async (_name, options, expected) => {
    const outcome = await stores.get('overlay')!.call(['run', 'base', '--', 'true'], options);
    expect([outcome.code, said(outcome)]).toEqual([125, `chrootctl: cannot set up the sandbox: ${expected}`]);
  });
});

describe('where a system call is refused', () => {
  test.each(['unshare', 'mount', 'pivot_root'] as const)('%s', async (name) => {
    const options = {through: withoutCall(name, temporaryDirectory()), env: DOCKER};
    const cli = stores.get('overlay')!;
    for (const args of [['run', 'base', '--', 'true'], ['doctor'], ['import', tar, 'other'], ['init']]) {
      const outcome = await cli.call(args, options);
      expect([args, outcome.code]).toEqual([args, {run: 125, doctor: 1, import: 6}[args[0] ?? ''] ?? 0]);
      const text = said(outcome);
      expect(text).toContain('this docker container has a system call filter (seccomp)');
      expect(text).toContain(DOCKER_LINE);
    }
  });
});

test('root of a user namespace is told so', async () => {
  const options = {through: IN_USER_NAMESPACE, env: DOCKER};
  const cli = stores.get('overlay')!;
  for (const args of [['run', 'base', '--', 'true'], ['doctor'], ['session', 'begin', 'base'], ['info']]) {
    const outcome = await cli.call(args, options);
    expect([args, outcome.code]).toEqual([args, {run: 125, doctor: 1, session: 6}[args[0] ?? ''] ?? 0]);
    expect(said(outcome)).toMatch(
      /this docker container is in a user namespace\n +start it with: docker run .+, as root of the machine itself/,
    );
  }
});

test('too many namespaces are no full disk', async () => {
  const limit = 'echo 0 >/proc/sys/user/max_mnt_namespaces && exec "$@"';
  const through = [...IN_USER_NAMESPACE, 'sh', '-c', limit, 'sh'];
  const out = join(temporaryDirectory(), 'out.tar');
  const outcome = await stores.get('overlay')!.call(['export', 'base', out], {through});
  expect([outcome.code, said(outcome)]).toEqual([
    6,
    expect.stringMatching(/: no more namespaces can be made here\n {2}raise the limits: sysctl user\./),
  ]);
});

test('without /proc it is that which is missing', async () => {
  const through = after('umount -l /proc');
  for (const args of [['run', 'base', '--', 'true'], ['doctor'], ['session', 'begin', 'base']]) {
    const {code, stderr} = await stores.get('overlay')!.call(args, {through, program: ON_NODE});
    expect([args, code, stderr]).toEqual([
      args,
      args[0] === 'run' ? 125 : 1,
      'chrootctl: /proc is not mounted\n  mount -t proc proc /proc\n',
    ]);
    // What ships has a runtime that cannot even start there. It says so in its own way.
    const shipped = await stores.get('overlay')!.call(args, {through});
    expect(shipped.code).not.toBe(0);
    expect(shipped.stderr).toContain('mount -t proc proc /proc');
  }
});

describe('one capability is missing', () => {
  const run = (missing: string, ...args: string[]): Promise<Outcome> =>
    stores.get('directory')!.call(args, {through: without(missing), env: DOCKER});

  test('SETPCAP: nobody is shut in who would keep more than he should', async () => {
    const inside = await run('setpcap', 'run', 'base', '--', 'echo', 'ran');
    expect([inside.code, inside.stdout]).toEqual([125, '']);
    expect(inside.stderr).toMatch(/lacks CAP_SETPCAP\n {2}start it with: .+ --cap-add SETPCAP /);
    const imported = await run('setpcap', 'import', tar, 'other');
    expect([imported.code, imported.stderr]).toEqual([6, expect.stringContaining('CAP_SETPCAP')]);
  });

  test.each(['setuid', 'sys_chroot', 'kill'])('%s: root runs, another user does not', async (name) => {
    expect((await run(name, 'run', 'base', '--', 'id', '-u')).stdout).toBe('0\n');
    const guest = await run(name, 'run', 'base', '-u', 'guest', '--', 'id', '-u');
    expect([guest.code, guest.stdout]).toEqual([125, '']);
    expect(said(guest)).toContain(`lacks CAP_${name.toUpperCase()}\n`);
  });

  test('NET_ADMIN: everything but --network none works', async () => {
    expect((await run('net_admin', 'run', 'base', '--', 'id', '-u')).stdout).toBe('0\n');
    const out = join(temporaryDirectory(), 'out.tar');
    expect((await run('net_admin', 'export', 'base', out)).code).toBe(0);
    expect((await run('net_admin', 'import', out, 'again')).code).toBe(0);
    const none = await run('net_admin', 'run', 'base', '--network', 'none', '--', 'true');
    expect([none.code, said(none)]).toEqual([125, expect.stringContaining('lacks CAP_NET_ADMIN')]);
    const doctor = await run('net_admin', 'doctor');
    expect([doctor.code, said(doctor)]).toEqual([
      1,
      expect.stringMatching(/^not everything works here: this docker container lacks CAP_NET_ADMIN\n/),
    ]);
  });

  test('one that was not asked for: the command does without; one that was: it is named', async () => {
    expect((await run('mknod', 'run', 'base', '--cap-add', 'SYS_PTRACE', '--', 'id', '-u')).stdout).toBe(
      '0\n',
    );
    const asked = await run('net_raw', 'run', 'base', '--cap-add', 'net_raw', '--', 'true');
    expect([asked.code, said(asked)]).toEqual([
      125,
      expect.stringMatching(/itself lacks the capability NET_RAW\n {2}start it with: .+ --cap-add NET_RAW /),
    ]);
  });
});

test('who is in no file of users goes by his number', async () => {
  const cli = new Cli({driver: 'overlay'});
  const empty = join(cli.directory, 'empty');
  writeFileSync(empty, '');
  const files = ['passwd', 'group', 'nsswitch.conf'];
  const through = after(files.map((name) => `mount --bind ${empty} /etc/${name}`).join(' && '));
  await cli.importRoot();
  const calls = [
    ['session', 'begin', 'base', '--name', 'work'],
    ['exec', 'work', '--', 'touch', '/f'],
    ['commit', 'work'],
    ['session', 'end', 'work', '--commit'],
    ['update', 'base', '--', 'touch', '/g'],
    ['tag', 'base', 'stable'],
    ['run', '--profile', 'user', 'base', '--', 'ls', '/g'],
    ['untag', 'base:stable'],
    ['gc'],
  ];
  for (const args of calls) {
    const {code, stderr} = await cli.call(args, {through});
    expect({args, code, error: code === 0 ? '' : stderr}).toEqual({args, code: 0, error: ''});
  }
  const history = await cli.json<{by: string}[]>('history', 'base');
  expect(new Set(history.map(({by}) => by))).toEqual(new Set(['root', '0']));
});

test('in namespaces of its own, with everything allowed, nothing is different', async () => {
  const cli = stores.get('overlay')!;
  const call = (...args: string[]): Promise<Outcome> => cli.call(args, {through: IN_NAMESPACES});
  expect(await call('run', 'base', '--', 'id', '-u')).toEqual({code: 0, stdout: '0\n', stderr: ''});
  expect(await call('doctor')).toEqual({code: 0, stdout: 'all is well\n', stderr: ''});
  const info = JSON.parse((await call('info', '--json')).stdout) as {hindrances: unknown[]};
  expect(info.hindrances).toEqual([]);
});
