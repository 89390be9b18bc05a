/** A sandbox that lasts: what is in it goes on from command to command, and ends with the process that holds it. */
import {afterEach, expect, test} from '@jest/globals';
import {execFileSync, spawn} from 'node:child_process';
import {readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {once} from 'node:events';
import type {Holder} from '../../src/sandbox/holder.ts';
import type {SandboxSpec} from '../../src/sandbox/spec.ts';
import {startOf} from '../../src/system/identity.ts';
import {end, eventually, launcher, printed, sandbox, sh, start, type Ended} from './sandbox.ts';

const holders: Holder[] = [];
afterEach(() => {
  for (const {pid, started} of holders.splice(0)) if (startOf(pid) === started) process.kill(pid, 'SIGKILL');
});

async function held(changes: Partial<SandboxSpec> = {}): Promise<{spec: SandboxSpec; holder: Holder}> {
  const spec = await sandbox(['true'], changes);
  const {code, stdout, stderr} = await end(start(spec, {CHROOTCTL_TEST_HOLDER: 'kept'}));
  expect({code, stderr}).toEqual({code: 0, stderr: ''});
  const holder = JSON.parse(stdout) as Holder;
  holders.push(holder);
  return {spec, holder};
}

type InIt = {spec: SandboxSpec; holder: Holder};

const entering = ({holder}: InIt): Record<string, string> => ({
  CHROOTCTL_TEST_HOLDER: JSON.stringify(holder),
});

function runIn(it: InIt, script: string, changes: Partial<SandboxSpec> = {}): Promise<Ended> {
  return end(start({...it.spec, command: sh(script), ...changes}, entering(it)));
}

const isGone = (holder: Holder) => () => startOf(holder.pid) !== holder.started;

test('what a command leaves running the next one meets, and it ends with the one that holds', async () => {
  const it = await held();
  expect(await runIn(it, 'sleep 4243 >/dev/null 2>&1 & echo $! > /pid')).toMatchObject({code: 0, stderr: ''});
  expect(
    await runIn(it, 'tr "\\0" " " < /proc/$(cat /pid)/cmdline; stat -c %u /proc/$(cat /pid)'),
  ).toMatchObject({
    stdout: 'sleep 4243 0\n',
  });
  expect(await runIn(it, 'hostname', {user: 'daemon'})).toMatchObject({code: 0});
  const running = (): boolean => spawnedIn(it.holder).length > 0;
  expect(running()).toBe(true);
  process.kill(it.holder.pid, 'SIGKILL');
  expect(await eventually(isGone(it.holder))).toBe(true);
  expect(running()).toBe(false);
});

/** Processes of the same namespace. */
function spawnedIn({pid}: Holder): string[] {
  const space = (of: string): string => {
    try {
      return readlinkSync(`/proc/${of}/ns/pid_for_children`);
    } catch {
      return '';
    }
  };
  const own = space(String(pid));
  return readdirSync('/proc').filter((name) => name !== String(pid) && own !== '' && space(name) === own);
}

test('those whom nobody waits for any more are reaped', async () => {
  const it = await held();
  await runIn(it, 'for i in 1 2 3 4 5; do sh -c "sleep 0.05 &"; done');
  expect(await eventually(() => spawnedIn(it.holder).length === 0)).toBe(true);
});

test('who holds has nothing that somebody inside could want', async () => {
  const it = await held({capabilities: {add: ['SYS_PTRACE', 'SYS_ADMIN'], drop: []}});
  const status = readFileSync(`/proc/${it.holder.pid}/status`, 'utf8');
  for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb'])
    expect(status).toMatch(new RegExp(`Cap${set}:\\t0+\\n`));
  expect(status).toMatch(/NoNewPrivs:\t1\nSeccomp:\t2\n/);
  // Seen from inside, by who may look at everything.
  const look =
    'ls -A /proc/1/root/ /proc/1/root/.. /proc/1/cwd/; ls /proc/1/fd | tr "\\n" " "; touch /proc/1/root/x';
  const {stdout, stderr} = await runIn(it, look);
  expect(stdout).toBe('/proc/1/cwd/:\n\n/proc/1/root/:\n\n/proc/1/root/..:\n0 1 2 3 4 5 6 7 ');
  expect(stderr).toMatch(/Read-only file system/);
});

test('it is not in the root, where others look for what still runs there', async () => {
  const it = await held();
  const roots = execFileSync('stat', ['-L', '-c', '%d:%i', `/proc/${it.holder.pid}/root`], {
    encoding: 'utf8',
  });
  const {stdout} = await runIn(it, 'stat -L -c %d:%i /');
  expect(roots).not.toBe(stdout);
});

test('it has none of the descriptors of whoever started it', async () => {
  const spec = await sandbox(['true']);
  const [node = '', ...args] = launcher(spec);
  // As a shell does it with id=$(…): it waits for the last who could still write.
  const child = spawn(node, args, {
    env: {...process.env, CHROOTCTL_TEST_HOLDER: 'kept'},
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(child, 'close');
  holders.push(JSON.parse(text) as Holder);
});

test('whoever dies before he has written down who holds it leaves nothing', async () => {
  const spec = await sandbox(['true']);
  const {code, stdout} = await end(start(spec, {CHROOTCTL_TEST_HOLDER: 'killed'}));
  expect(code).toBe(-1);
  const pid = Number(stdout);
  expect(pid).toBeGreaterThan(0);
  expect(await eventually(() => startOf(pid) === undefined)).toBe(true);
});

test('another process that has its number by now is not taken for it', async () => {
  const it = await held();
  const other = {...it, holder: {...it.holder, started: String(Number(it.holder.started) + 1)}};
  expect(await runIn(other, 'true')).toMatchObject({
    code: 125,
    stderr: expect.stringContaining('sandbox is gone'),
  });
  process.kill(it.holder.pid, 'SIGKILL');
  await eventually(isGone(it.holder));
  expect(await runIn(it, 'true')).toMatchObject({
    code: 125,
    stderr: expect.stringContaining('sandbox is gone'),
  });
});

test('kill -9 of our process ends the command, and nothing else', async () => {
  const it = await held();
  await runIn(it, 'sleep 4244 >/dev/null 2>&1 &');
  const child = start({...it.spec, command: sh('echo ready; exec sleep 4245')}, entering(it));
  const ended = end(child);
  await printed(child, 'ready');
  // With the one that waits for the command.
  expect(spawnedIn(it.holder).length).toBe(3);
  child.kill('SIGKILL');
  await ended;
  expect(await eventually(() => spawnedIn(it.holder).length === 1)).toBe(true);
  expect((await runIn(it, 'cat /proc/[0-9]*/cmdline | tr "\\0" " "')).stdout).toContain('sleep 4244');
});
