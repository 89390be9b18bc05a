import {afterAll, beforeAll, describe, expect, test} from '@jest/globals';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
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
    [[], 'echo "${CALLER-clean}"', 'clean'],
    [['--read-only'], 'touch /x 2>/dev/null || echo refused', 'refused'],
    [['--network', 'none'], 'ls /sys/class/net', 'lo'],
    [['--cap-drop', 'all'], 'chown 1 /etc/passwd 2>/dev/null || echo refused', 'refused'],
    [['--cap-drop', 'all', '--cap-add', 'cap_chown'], 'chown 1 /etc/passwd && echo done', 'done'],
    [['--profile', 'buildd'], 'echo $LC_ALL; ls /sys/class/net', 'C.UTF-8\nlo'],
    [['--profile', 'buildd', '--network', 'host', '-e', 'LC_ALL=C'], 'echo $LC_ALL', 'C'],
  ])('%j: %s', async (flags, script, printed) => {
    const {code, stdout, stderr} = await run(flags, script, {env: {CALLER: 'from'}});
    expect([code, stdout.trimEnd(), stderr]).toEqual([0, printed, '']);
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
