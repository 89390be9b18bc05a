/** Commands without no_new_privs: set-uid programs work, and nothing else is different. */
import {describe, expect, test} from '@jest/globals';
import {chmodSync, copyFileSync} from 'node:fs';
import {join} from 'node:path';
import {temporaryDirectory} from '../temporary.ts';
import {end, eventually, printed, runIn, sandbox, sh, start, tracesOf} from './sandbox.ts';

const newPrivileges = true;

/** As another user; setpriv(1) keeps no capability on the way. */
const asNobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups';

test('a set-uid program gives its owner, within what the command may hold', async () => {
  const script = `cp /bin/grep /tmp/g; chmod u+s /tmp/g; ${asNobody} /tmp/g -E "^(Uid|Cap(Prm|Bnd)|Seccomp:|NoNewPrivs)" /proc/self/status`;
  const capabilities = {add: ['CHOWN', 'SETUID', 'SETGID'], drop: ['ALL']};
  const shown = async (changes: object) => (await runIn(sh(script), {capabilities, ...changes})).stdout;
  expect(await shown({newPrivileges})).toBe(
    'Uid:\t65534\t0\t0\t0\nCapPrm:\t00000000000000c1\nCapBnd:\t00000000000000c1\nNoNewPrivs:\t0\nSeccomp:\t2\n',
  );
  expect(await shown({})).toMatch(/^Uid:\t65534\t65534\t65534\t65534\nCapPrm:\t0+\n[^]*NoNewPrivs:\t1\n/);
});

test('so does a file capability', async () => {
  const setxattr = process.arch === 'x64' ? 188 : 5;
  // VFS_CAP_REVISION_2, effective: CHOWN (linux/capability.h).
  const script = `cp /bin/grep /tmp/g; perl -e '($f, $n, $v) = ("/tmp/g", "security.capability", pack "V5", 0x02000001, 1, 0, 0, 0);
    syscall(${setxattr}, $f, $n, $v, 20, 0) == 0 or die $!'; ${asNobody} /tmp/g CapEff /proc/self/status`;
  expect((await runIn(sh(script), {newPrivileges})).stdout).toBe('CapEff:\t0000000000000001\n');
});

test('volumes stay nosuid, and the root read-only where it was to be', async () => {
  const volume = temporaryDirectory();
  chmodSync(volume, 0o755);
  copyFileSync('/usr/bin/id', join(volume, 'id'));
  chmodSync(join(volume, 'id'), 0o4755);
  const {stdout} = await runIn(sh(`${asNobody} /v/id -u; touch /x 2>/dev/null || echo refused`), {
    newPrivileges,
    readOnly: true,
    volumes: [{source: volume, target: '/v', readOnly: false}],
  });
  expect(stdout).toBe('65534\nrefused\n');
});

test('device nodes in the root are as dead as before, mounts as impossible', async () => {
  const script =
    'mknod /n c 1 3; (echo x >/n) 2>/dev/null && echo opened; mount -o remount,dev / 2>/dev/null && echo mounted; echo tried';
  expect((await runIn(sh(script), {newPrivileges})).stdout).toBe('tried\n');
});

describe('a command ends as it would', () => {
  test.each([
    [sh('exit 7'), {}, 7],
    [sh('kill -9 $$'), {}, 137],
    [['/missing'], {}, 127],
    [sh('[ "$(pwd)" = /usr ] && [ "$(id -u)" = 1 ] && [ "$(cat)" = said ]'), {workdir: '/usr', user: '1'}, 0],
    [sh('exit 8'), {network: 'none', hostname: 'room', limits: {pids: 5}} as const, 8],
  ])('%j', async (command, changes, code) => {
    expect(await runIn(command, {newPrivileges, ...changes}, {stdin: 'said'})).toMatchObject({
      code,
      stdout: '',
    });
  });

  test('and by signals, which reach it alone', async () => {
    const child = start(
      await sandbox(sh('trap "echo TERM; exit 7" TERM; echo ready; while :; do sleep 0.05; done'), {
        newPrivileges,
      }),
    );
    const ended = end(child);
    await printed(child, 'ready');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({code: 7, stdout: 'ready\nTERM\n'});
  });

  // What is held outlives us: holder.test.ts.
  const ifItDies = process.env['CHROOTCTL_TEST_HOLDER'] === undefined ? test : () => undefined;
  ifItDies('all of it with our process', async () => {
    const spec = await sandbox(sh('(setsid sleep 4242 &); trap "" TERM; echo ready; sleep 4242'), {
      newPrivileges,
    });
    const child = start(spec);
    const ended = end(child);
    await printed(child, 'ready');
    const mountPoint = 'plan' in spec.root ? spec.root.mountPoint : '';
    child.kill('SIGKILL');
    await ended;
    expect(await eventually(() => tracesOf(mountPoint).length === 0)).toBe(true);
  });
});

test('nobody inside holds what the command does not, or a file of the host', async () => {
  const script =
    'for p in /proc/[0-9]*; do grep -H CapPrm $p/status; ls -l $p/fd; done | grep -E "CapPrm|host|/(etc|proc/[0-9]+/ns)"';
  const {stdout} = await runIn(sh(script), {newPrivileges, capabilities: {add: [], drop: ['ALL']}});
  const held = [...stdout.matchAll(/CapPrm:\s*(\w+)$/gm)].map(([, mask]) => mask);
  expect(held.length).toBeGreaterThan(2);
  expect(new Set(held)).toEqual(new Set(['0000000000000000']));
  expect(stdout.trim().split('\n')).toHaveLength(held.length);
});
