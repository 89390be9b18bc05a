import {expect, test} from '@jest/globals';
import {childrenOf} from '../../src/sandbox/processes.ts';
import type {SandboxSpec} from '../../src/sandbox/spec.ts';
import {end, eventually, printed, runIn, sandbox, sh, start, tracesOf} from './sandbox.ts';

const trap = (signal: string) =>
  sh(`trap 'echo ${signal}; exit 7' ${signal}; echo ready; while :; do sleep 0.05; done`);

test.each(['TERM', 'HUP', 'INT', 'QUIT', 'USR1', 'USR2'])(
  'SIG%s to our process reaches the command',
  async (signal) => {
    const child = start(await sandbox(trap(signal)));
    const ended = end(child);
    await printed(child, 'ready');
    child.kill(`SIG${signal}` as NodeJS.Signals);
    expect(await ended).toMatchObject({code: 7, stdout: `ready\n${signal}\n`});
  },
);

test('it reaches another user, too', async () => {
  const child = start(await sandbox(trap('TERM'), {user: 'daemon', network: 'none'}));
  const ended = end(child);
  await printed(child, 'ready');
  child.kill('SIGTERM');
  expect((await ended).code).toBe(7);
});

test('a signal that the command does not catch ends it', async () => {
  const child = start(await sandbox(sh('echo ready; exec sleep 4242')));
  const ended = end(child);
  await printed(child, 'ready');
  child.kill('SIGINT');
  expect((await ended).code).toBe(130);
});

/** One that is held outlives us: holder.test.ts. */
const DIES_WITH_US = process.env['CHROOTCTL_TEST_HOLDER'] === undefined;
const ifItDies = (name: string, work: () => Promise<void>): void => {
  if (DIES_WITH_US) test(name, work);
};

/** Which then is made before there is a command: a signal ends us as any program, and it with us. */
ifItDies('a signal sent while the sandbox is being set up is not lost', async () => {
  const child = start(await sandbox(sh('exec sleep 4242')));
  const ended = end(child);
  // From here on our process is past its own start: it takes the signal, the command is not there yet, or just so.
  await eventually(() => child.pid !== undefined && childrenOf(child.pid).length > 0);
  child.kill('SIGTERM');
  expect((await ended).code).toBe(143);
});

/** A sandbox, and what all of it can be found by: its processes show it in their mounts or in their variables. */
async function traceable(command: readonly string[]): Promise<{spec: SandboxSpec; trace: string}> {
  const spec = await sandbox(command);
  const trace = 'plan' in spec.root ? spec.root.mountPoint : '';
  return {spec: {...spec, env: {TRACE: trace}}, trace};
}

ifItDies('kill -9 of our process ends everything', async () => {
  const {spec, trace} = await traceable(
    sh('(setsid sleep 4242 &) ; trap "" TERM HUP INT; echo ready; while :; do sleep 1; done'),
  );
  const child = start(spec);
  const ended = end(child);
  await printed(child, 'ready');
  expect(tracesOf(trace)).not.toEqual([]);
  child.kill('SIGKILL');
  await ended;
  expect(await eventually(() => tracesOf(trace).length === 0)).toBe(true);
});

/** Fewer where the same is done once more in another way (with-perl/ and others). */
const ROUNDS =
  (process.env['CHROOTCTL_TEST_INSTALLED'] ?? process.env['CHROOTCTL_TEST_SUCCESSION']) === undefined
    ? 40
    : 15;

ifItDies('kill -9 at any moment of the start leaves nothing', async () => {
  const {spec, trace} = await traceable(sh('sleep 4242 & sleep 4242'));
  for (let round = 0; round < ROUNDS; round++) {
    const child = start(spec);
    const ended = end(child);
    await eventually(() => child.pid !== undefined && childrenOf(child.pid).length > 0);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 15));
    child.kill('SIGKILL');
    await ended;
    expect(await eventually(() => tracesOf(trace).length === 0)).toBe(true);
  }
});

test('the death of the outermost process ends everything, too', async () => {
  const {spec, trace} = await traceable(sh('echo ready; sleep 4242'));
  const child = start(spec);
  const ended = end(child);
  await printed(child, 'ready');
  process.kill(childrenOf(child.pid ?? 0)[0] ?? 0, 'SIGKILL');
  expect(await ended).toMatchObject({code: 125});
  expect(await eventually(() => tracesOf(trace).length === 0)).toBe(true);
});

test('the time limit ends a command', async () => {
  expect((await runIn(['sleep', '4242'], {timeout: 0.3})).code).toBe(124);
});

test('one that does not heed it is killed', async () => {
  const {code, stdout} = await runIn(sh('trap "echo told" TERM; while :; do sleep 0.1; done'), {
    timeout: 0.3,
  });
  expect({code, stdout}).toEqual({code: 124, stdout: 'told\n'});
});

test('a command that is done in time is not touched by it', async () => {
  expect((await runIn(sh('exit 5'), {timeout: 60})).code).toBe(5);
});
