/** The sandbox that the commands of a session share: what one leaves running the next one meets. */
import {afterEach, beforeEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {once} from 'node:events';
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {parseRecord, SessionRecord} from '../../src/store/records.ts';
import {startOf, type Owner} from '../../src/system/identity.ts';
import {Cli, cleanUp, outcomeOf} from '../cli/chrootctl.ts';
import {eventually} from '../eventually.ts';

afterEach(cleanUp);

let cli: Cli;

beforeEach(async () => {
  cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'work');
});

/** Output and input elsewhere: what goes on would keep them open. */
const detached = (command: string): string => `(${command}) </dev/null >/dev/null 2>&1 &`;

const inSession = (script: string): readonly string[] => ['exec', 'work', '--', 'sh', '-c', script];

async function leaveRunning(command = 'exec sleep 4242'): Promise<void> {
  await cli.ok(...inSession(`${detached(command)} echo $! >/pid`));
}

const isThere = 'kill -0 $(cat /pid)';

function sandbox(): Owner {
  return present(recordOf());
}

function recordOf(name = 'work'): SessionRecord {
  const path = join(cli.store, 'sessions', `${name}.json`);
  return parseRecord(SessionRecord, readFileSync(path, 'utf8'), path);
}

function present({sandbox: found}: SessionRecord): Owner {
  if (found === undefined) throw new Error('there is no sandbox');
  return found;
}

const hasEnded =
  ({pid, started}: Owner) =>
  () =>
    startOf(pid) !== started;

/** How many sandboxes there are in the store. */
function sandboxes(): number {
  return readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`\0${cli.store}/`);
    } catch {
      return false;
    }
  }).length;
}

test('a daemon goes on from command to command, and ends with the session', async () => {
  await leaveRunning();
  expect((await cli.call(inSession(isThere))).code).toBe(0);
  const all = await cli.ok(...inSession('cat /proc/[0-9]*/cmdline | tr "\\0" "\\n"'));
  expect(all.split('\n')).toContain('4242');
  // Nothing in there says where things are on the host.
  expect(all).not.toContain(cli.store);
  const held = sandbox();
  await cli.ok('session', 'end', 'work');
  expect(hasEnded(held)()).toBe(true);
  expect([sandboxes(), readdirSync(join(cli.store, 'locks')).filter((name) => /work/.test(name))]).toEqual([
    0,
    [],
  ]);
});

test('a commit lets it go on, and takes the state of one moment', async () => {
  const write = (name: string): string => `echo $i >/new; mv /new /${name}`;
  await leaveRunning(`i=0; while :; do i=$((i + 1)); ${write('one')}; ${write('two')}; done`);
  expect(await eventually(() => existsSync(join(cli.store, 'mnt/work/two')))).toBe(true);
  for (let round = 0; round < 3; round++) {
    await cli.ok('commit', 'work');
    const state = await cli.ok('run', 'base', '--', 'cat', '/one', '/two');
    const [one = 0, two = 0] = state.split('\n').map(Number);
    expect([0, 1]).toContain(one - two);
  }
  expect((await cli.call(inSession(isThere))).code).toBe(0);
});

test('where nothing is left in it, a commit takes the volume itself', async () => {
  await cli.ok('exec', 'work', '--', 'touch', '/new');
  const held = sandbox();
  const {volume} = recordOf();
  await cli.ok('commit', 'work');
  expect([hasEnded(held)(), recordOf().volume === volume]).toEqual([true, false]);
  expect(await cli.ok('exec', 'work', '--', 'ls', '/new')).toBe('/new');
  expect(hasEnded(sandbox())()).toBe(false);
});

test('before its state becomes a version for good, what runs is told to end', async () => {
  await leaveRunning('trap "echo saved >/state; exit" TERM; while :; do sleep 0.05; done');
  await cli.ok('session', 'end', 'work', '--commit');
  expect(await cli.ok('run', 'base', '--', 'cat', '/state')).toBe('saved');
});

test.each([
  ['--network', 'none'],
  ['-v', '/dev:/mnt/dev:ro'],
  ['--tmpfs', '/mnt/scratch'],
  ['--read-only'],
  ['--hostname', 'other'],
  ['--pids-limit', '100'],
  ['--new-privileges'],
  ['--privileged'],
])('a command with other walls (%s %s) has a sandbox of its own', async (...flags) => {
  await leaveRunning();
  const outcome = await cli.call(['exec', ...flags, 'work', '--', 'sh', '-c', isThere]);
  expect(outcome).toMatchObject({code: 1});
  // Beside the other one, which it leaves alone.
  expect((await cli.call(inSession(isThere))).code).toBe(0);
});

test.each([
  ['-u', '65534'],
  ['-w', '/tmp'],
  ['-e', 'A=1'],
  ['--cap-drop', 'CHOWN'],
  ['--ulimit', 'nofile=100'],
  ['--timeout', '60'],
])('what is each command its own (%s %s) is no reason for that', async (...flags) => {
  await leaveRunning();
  const outcome = await cli.call(['exec', ...flags, 'work', '--', 'sh', '-c', 'test -d /proc/$(cat /pid)']);
  expect(outcome).toMatchObject({code: 0, stderr: ''});
});

test('at a terminal a command is in it too, and the terminal has a name there', async () => {
  await leaveRunning();
  const terminal = cli.terminal();
  const same = 'test $(stat -c %t:%T $(tty)) = $(stat -L -c %t:%T /dev/fd/0)';
  const script = `${isThere} && tty && ${same}; ${detached('exec sleep 4246')}`;
  expect(await terminal.run(`chrootctl exec work -- sh -c '${script} echo $! >/pid'`)).toMatch(
    /^\/dev\/console\nended 0$/m,
  );
  // What is started there stays too, and others have no terminal.
  expect((await cli.call(inSession(`${isThere} && ! tty`))).code).toBe(0);
  // For another user one is made that nobody else has to do with.
  expect(await terminal.run(`chrootctl exec -u 65534 work -- sh -c '${isThere} || tty'`)).toMatch(
    /^\/dev\/pts\/\d+\nended 0$/m,
  );
});

test('a key at the terminal reaches a command in it, and not what others have left', async () => {
  await leaveRunning();
  const terminal = cli.terminal();
  await terminal.start(
    `chrootctl exec work -- sh -c 'trap "echo told; exit 7" INT; echo up; while :; do sleep 0.05; done'`,
  );
  await terminal.shows(/^up$/m);
  terminal.type('C-c');
  await terminal.shows(/told\nended 7$/m);
  expect((await cli.call(inSession(isThere))).code).toBe(0);
});

test('options of the session are its walls', async () => {
  await cli.ok('session', 'begin', 'base', '--name', 'alone', '--network', 'none', '--hostname', 'other');
  const script = `${detached('exec sleep 4242')} echo $! >/pid; hostname; cat /sys/class/net/*/address`;
  expect(await cli.ok('exec', 'alone', '--', 'sh', '-c', script)).toBe('other\n00:00:00:00:00:00');
  expect((await cli.call(['exec', 'alone', '--', 'sh', '-c', isThere])).code).toBe(0);
  const elsewhere = await cli.call(['exec', 'alone', '--network', 'host', '--', 'sh', '-c', isThere]);
  expect(elsewhere.code).toBe(1);
});

test('in a session with new privileges set-uid programs count, and what is left goes on', async () => {
  await cli.ok('session', 'begin', 'base', '--name', 'privileged', '--new-privileges');
  const script = `${detached('exec sleep 4242')} echo $! >/pid`;
  await cli.ok('exec', 'privileged', '--', 'sh', '-c', script);
  // That they do, by all means: sandbox/with-holder/entrance.test.ts.
  const look = `${isThere} && grep NoNewPrivs /proc/self/status && grep -c ' / [^ ]*nosuid' /proc/self/mountinfo`;
  expect(await cli.call(['exec', 'privileged', '--', 'sh', '-c', look])).toMatchObject({
    stdout: 'NoNewPrivs:\t0\n0\n',
  });
});

test('many commands that begin at once come into one', async () => {
  const outcomes = await Promise.all(
    Array.from({length: 8}, () => cli.call(inSession('readlink /proc/self/ns/pid; sleep 0.2'))),
  );
  expect(outcomes.map(({code, stderr}) => [code, stderr])).toEqual(Array(8).fill([0, '']));
  expect(new Set(outcomes.map(({stdout}) => stdout)).size).toBe(1);
  expect(sandboxes()).toBe(1);
});

test.each([
  ['what it descends from', ({pid}: Owner) => pid],
  ['its process 1', ({pid}: Owner) => Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'))],
])('when somebody kills %s, all in it ends, and the next command has a new one', async (_which, victim) => {
  await leaveRunning();
  const held = sandbox();
  process.kill(victim(held), 'SIGKILL');
  expect(await eventually(hasEnded(held))).toBe(true);
  expect((await cli.call(inSession(isThere))).code).toBe(1);
  expect(sandbox().pid).not.toBe(held.pid);
  expect(sandboxes()).toBe(1);
});

test('another process that has its number by now is not taken for it, nor killed', async () => {
  await cli.ok('exec', 'work', '--', 'true');
  const held = sandbox();
  process.kill(held.pid, 'SIGKILL');
  const other = cli.start(['run', 'base', '--', 'sh', '-c', 'echo up; exec sleep 1000']);
  const ended = outcomeOf(other);
  await once(other.stdout!, 'data');
  const path = join(cli.store, 'sessions/work.json');
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace(`"pid": ${held.pid}`, `"pid": ${other.pid}`));
  await cli.ok('exec', 'work', '--', 'true');
  await cli.ok('session', 'end', 'work');
  expect(other.exitCode).toBeNull();
  other.kill('SIGKILL');
  await ended;
});

test('a root that somebody has unmounted on the host comes back, with a new one', async () => {
  await cli.ok('exec', 'work', '--', 'touch', '/new');
  const held = sandbox();
  execFileSync('umount', [join(cli.store, 'mnt/work')]);
  expect(await cli.ok('exec', 'work', '--', 'ls', '/new')).toBe('/new');
  expect(hasEnded(held)()).toBe(true);
  await cli.ok('session', 'end', 'work', '--commit');
  expect(await cli.ok('run', 'base', '--', 'ls', '/new')).toBe('/new');
});

test('kill -9 ends a command, and not what it has left', async () => {
  await leaveRunning();
  const child = cli.start(inSession('echo up; exec sleep 4243'));
  const ended = outcomeOf(child);
  await once(child.stdout!, 'data');
  expect((await cli.call(['session', 'end', 'work'])).code).toBe(5);
  child.kill('SIGKILL');
  await ended;
  const gone = 'while cat /proc/[0-9]*/cmdline | tr "\\0" "\\n" | grep -qx 4243; do sleep 0.05; done';
  expect(await cli.call(inSession(gone))).toMatchObject({code: 0});
  expect((await cli.call(inSession(isThere))).code).toBe(0);
  await cli.ok('gc');
  expect(await cli.ok('doctor')).toBe('all is well');
  await cli.ok('session', 'end', 'work');
});

test('with --force what does not listen is killed too', async () => {
  await leaveRunning('trap "" TERM HUP INT; while :; do sleep 0.05; done');
  const child = cli.start(inSession('echo up; exec sleep 4243'));
  const ended = outcomeOf(child);
  await once(child.stdout!, 'data');
  await cli.ok('session', 'rm', '--force', 'work');
  expect((await ended).code).not.toBe(0);
  expect(sandboxes()).toBe(0);
});

test('the time limit ends what a command has started, not only itself', async () => {
  const script = 'sleep 4244 & sleep 4245 & wait';
  const {code} = await cli.call(['exec', '--timeout', '0.5', 'work', '--', 'sh', '-c', script]);
  expect(code).toBe(124);
  const all = await cli.ok(...inSession('cat /proc/[0-9]*/cmdline | tr "\\0" "\\n"'));
  expect(all).not.toMatch(/424[45]/);
});

test('who made it, and ends, keeps nobody waiting who reads what he says', async () => {
  // As id=$(…) does: until the last one has closed it.
  const script = '"$@" exec work -- true; echo done';
  const outcome = await cli.call([], {through: ['sh', '-c', `x=$(${script}); echo "$x"`, 'sh']});
  expect(outcome).toMatchObject({code: 0, stdout: 'done\n'});
  expect(hasEnded(sandbox())()).toBe(false);
});
