import {afterAll, beforeAll, describe, expect, test} from '@jest/globals';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {hostname, tmpdir} from 'node:os';
import {join} from 'node:path';
import {Cli, type CallOptions, type Outcome} from './chrootctl.ts';

const store = mkdtempSync(join(tmpdir(), 'chrootctl-flags-'));

beforeAll(async () => {
  await new Cli({store: join(store, 'store'), driver: 'overlay'}).importRoot();
});

afterAll(() => rmSync(store, {recursive: true, force: true}));

async function run(flags: string[], script: string, options: CallOptions = {}): Promise<Outcome> {
  return new Cli({store: join(store, 'store')}).call(
    ['run', 'base', ...flags, '--', 'sh', '-c', script],
    options,
  );
}

describe('the flags of run', () => {
  test.each([
    [['-u', 'guest'], 'id', 'uid=1000(guest) gid=1000(guest) groups=1000(guest),1001(extra)'],
    [['-u', '1000:0'], 'id -u; id -g', '1000\n0'],
    [['-w', '/usr'], 'pwd', '/usr'],
    [['--hostname', 'room'], 'hostname', 'room'],
    [[], 'hostname', hostname()],
    [['-e', 'A=1', '-e', 'B=x=y z'], 'echo "$A,$B"', '1,x=y z'],
    [['-e', 'CALLER', '-e', 'MISSING'], 'echo "$CALLER${MISSING-unset}"', 'fromunset'],
    [['-e', 'BUN_CALLER'], 'echo "$BUN_CALLER"', 'from'],
    [[], 'echo "${CALLER-clean}"', 'clean'],
    [['--read-only'], 'touch /x 2>/dev/null || echo refused', 'refused'],
    [['--network', 'none'], 'ls /sys/class/net', 'lo'],
    [['--cap-drop', 'all'], 'chown 1 /etc/passwd 2>/dev/null || echo refused', 'refused'],
    [['--cap-drop', 'all', '--cap-add', 'cap_chown'], 'chown 1 /etc/passwd && echo done', 'done'],
    [['--profile', 'builder'], 'mknod /n c 1 3 && echo lost >/n && echo works', 'works'],
    [['--device-nodes'], 'mknod /n c 1 3 && echo lost >/n && echo works', 'works'],
    [['--new-privileges'], 'grep NoNewPrivs /proc/self/status', 'NoNewPrivs:\t0'],
    [['--profile', 'buildd'], 'echo $LC_ALL; ls /sys/class/net', 'C.UTF-8\nlo'],
    [['--profile', 'buildd', '--network', 'host', '-e', 'LC_ALL=C'], 'echo $LC_ALL', 'C'],
  ])('%j: %s', async (flags, script, printed) => {
    const {code, stdout, stderr} = await run(flags, script, {env: {CALLER: 'from', BUN_CALLER: 'from'}});
    expect([code, stdout.trimEnd(), stderr]).toEqual([0, printed, '']);
  });

  test('a session keeps what it was begun with, and each command may ask for more', async () => {
    const cli = new Cli({store: join(store, 'store')});
    const {stdout} = await cli.call(['session', 'begin', 'base', '--profile', 'builder']);
    const session = stdout.trim();
    const exec = (...words: string[]) => cli.call(['exec', session, ...words]);
    const script = 'mknod -m 666 /n c 1 3; echo lost >/n && grep NoNewPrivs /proc/self/status';
    expect((await exec('--new-privileges', '--', 'sh', '-c', script)).stdout).toBe('NoNewPrivs:\t0\n');
    expect((await exec('--', 'sh', '-c', 'echo lost >/n && echo works')).stdout).toBe('works\n');
    await cli.call(['session', 'end', session]);
  });

  test('volumes, writable and not, relative ones too', async () => {
    const host = mkdtempSync(join(store, 'host-'));
    writeFileSync(join(host, 'in'), 'from the host\n');
    const {stdout} = await run(
      ['-v', '.:/rw', '-v', `${host}:/ro:ro`],
      'cat /ro/in > /rw/out; touch /ro/x 2>/dev/null || echo refused',
      {cwd: host},
    );
    expect(stdout).toBe('refused\n');
    expect(readFileSync(join(host, 'out'), 'utf8')).toBe('from the host\n');
    const missing = await run(['-v', '/does/not/exist:/x'], 'true');
    expect([missing.code, missing.stderr]).toEqual([125, expect.stringMatching(/does not exist/)]);
  });

  test('limits hold, or are refused before anything runs', async () => {
    const {code, stdout, stderr} = await run(
      ['--pids-limit', '20', '--memory', '64m', '--cpus', '0.5'],
      'echo ran',
    );
    if (code === 0) {
      expect(stdout).toBe('ran\n');
      const fork = await run(
        ['--pids-limit', '10'],
        'i=0; while [ $i -lt 30 ]; do sleep 5 & i=$((i+1)); done; echo all',
      );
      expect(fork.stdout).not.toContain('all');
    } else {
      expect([code, stdout, stderr]).toEqual([125, '', expect.stringMatching(/cannot|controller/)]);
    }
  });

  test('a limit that ends something says so', async () => {
    const late = await run(['--timeout', '0.3'], 'sleep 20');
    expect([late.code, late.stderr]).toEqual([124, 'killed: out of time (limit 0.3)\n']);
    expect((await run(['-q', '--timeout', '0.3'], 'sleep 20')).stderr).toBe('');
    const hog = await run(['--memory', '16m'], 'tail /dev/zero');
    if (hog.code !== 125)
      expect([hog.code, hog.stderr]).toEqual([137, 'killed: out of memory (limit 16m)\n']);
  });

  test('a report of how it ended and what it took', async () => {
    const file = join(store, 'report.json');
    await run(['--report', file], 'dd if=/dev/zero of=/big bs=1024 count=4096 2>/dev/null; sync; exit 3');
    const report = JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>;
    expect(report).toMatchObject({exitCode: 3, signal: null, timedOut: false, outOfMemory: false});
    expect(report['largestProcess']).toBeGreaterThan(1e5);
    for (const name of ['wall', 'cpu', 'user', 'system']) expect(report[name]).toBeGreaterThanOrEqual(0);
    await run(['--report', file], 'kill -9 $$');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({exitCode: 137, signal: 'SIGKILL'});
    const nowhere = await run(['--report', '/does/not/exist'], 'echo ran');
    expect([nowhere.code, nowhere.stdout]).toEqual([125, '']);
  });

  test('devices, file systems in memory, limits of processes', async () => {
    const script =
      'test -w /dev/two && stat -c %t:%T /dev/two; df -k /in/memory /dev/shm | tail -n +2 | tr -s " " | cut -d" " -f2; ulimit -n';
    const flags = [
      '--device',
      '/dev/full:/dev/two',
      '--tmpfs',
      '/in/memory:size=1m',
      '--shm-size',
      '2m',
      '--ulimit',
      'nofile=77:99',
      '--init',
    ];
    const root = await run(flags, script.replace(/df .*?;/, 'stat -f -c %b:%s /in/memory /dev/shm;'));
    expect([root.code, root.stdout]).toEqual([0, '1:7\n256:4096\n512:4096\n77\n']);
    for (const [wrong, why] of [
      [['--device', '/etc/passwd'], /not a device/],
      [['--device', 'fuse'], /not a device/],
      [['--tmpfs', '/x:size=1m,uid=3'], /no option 'uid=3'/],
      [['--ulimit', 'nofile=2:1'], /above the hard one/],
      [['--ulimit', 'files=1'], /there is no limit 'files'/],
    ] as const) {
      const {code, stderr} = await run([...wrong], 'true');
      expect([code, stderr]).toEqual([2, expect.stringMatching(why)]);
    }
    expect((await run(['-v', '/dev/null:/dev/mine'], 'echo x >/dev/mine && echo written')).stdout).toBe(
      'written\n',
    );
  });

  test('a device for reading alone cannot be written, or is refused', async () => {
    const {code, stdout, stderr} = await run(
      ['--device', '/dev/loop-control:/dev/two:r'],
      'exec 3</dev/two && echo read; (exec 3<>/dev/two) 2>/dev/null && echo written; echo x >/dev/null; exit 0',
    );
    if (code === 0) expect(stdout).toBe('read\n');
    else expect(stderr).toMatch(/cannot allow only/);
  });

  test('a command knows where it is', async () => {
    const {stdout} = await run(
      [],
      'echo "$CHROOTCTL_IMAGE $debian_chroot ${#CHROOTCTL_VERSION} ${CHROOTCTL_SESSION:+some}"',
    );
    expect(stdout).toBe('base base 16 some\n');
  });

  test.each(['root', 'guest'])(
    'the working directory is that of %s too, in a session as well',
    async (user) => {
      expect((await run(['-u', user, '-w', '/usr/bin'], 'pwd')).stdout).toBe('/usr/bin\n');
      const cli = new Cli({store: join(store, 'store')});
      await cli.ok('session', 'begin', 'base', '--name', `there-${user}`, '-u', user, '-w', '/usr/bin');
      expect(await cli.ok('exec', `there-${user}`, '--', 'pwd')).toBe('/usr/bin');
      expect(await cli.ok('exec', `there-${user}`, '-w', '/etc', '--', 'pwd')).toBe('/etc');
      await cli.ok('session', 'end', `there-${user}`);
    },
  );

  test('the profile of the caller: his home, his groups, where he is', async () => {
    // As sudo tells it; the user daemon is everywhere.
    const {stdout} = await run(['--profile', 'user'], 'id -u; pwd; echo $HOME', {
      cwd: '/',
      env: {SUDO_UID: '1', SUDO_GID: '1', SUDO_USER: 'daemon'},
    });
    expect(stdout).toMatch(/^1\n\/usr\/sbin\n\/usr\/sbin\n$/);
  });

  test('a session keeps the flags it was begun with', async () => {
    const cli = new Cli({store: join(store, 'store')});
    await cli.ok(
      'session',
      'begin',
      'base',
      '--name',
      'flags',
      '-e',
      'A=1',
      '-e',
      'B=1',
      '-u',
      'guest',
      '--network',
      'none',
    );
    const {stdout} = await cli.call([
      'exec',
      'flags',
      '-e',
      'B=2',
      '--',
      'sh',
      '-c',
      'echo $A $B; id -un; ls /sys/class/net',
    ]);
    expect(stdout).toBe('1 2\nguest\nlo\n');
    await cli.ok('session', 'end', 'flags');
  });

  test('run --keep and --name keep the session', async () => {
    const cli = new Cli({store: join(store, 'store')});
    const {code, stderr} = await cli.call([
      'run',
      'base',
      '--name',
      'kept',
      '--',
      'sh',
      '-c',
      'touch /kept; exit 3',
    ]);
    expect([code, stderr]).toEqual([3, expect.stringMatching(/session kept is kept/)]);
    expect(await cli.ok('exec', 'kept', '--', 'ls', '/kept')).toBe('/kept');
    await cli.ok('session', 'end', 'kept');
  });
});

test('new privileges are had where the root is not that of the mount namespace (chroot(8)), and inside', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  const place = join(cli.directory, 'place');
  mkdirSync(place);
  const script = `mount --rbind / ${place} && exec chroot ${place} "$@"`;
  const through = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh'];
  for (const flags of [[], ['--new-privileges']]) {
    const {code, stdout, stderr} = await cli.call(['run', ...flags, 'base', '--', 'ls', '/'], {through});
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.split('\n')).not.toContain('boot');
  }
});
