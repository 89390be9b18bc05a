/** What a container leaves that died, or that has a boot id of its own, as seen from another container and from the host. */
import {afterEach, expect, test} from '@jest/globals';
import {execFileSync, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {randomUUID} from 'node:crypto';
import {parseRecord, SessionRecord} from '../../src/store/records.ts';
import {entries} from '../../src/system/processes.ts';
import {busyboxRoot, Cli, cleanUp, CONTAINER, outcomeOf} from '../cli/chrootctl.ts';
import {eventually} from '../eventually.ts';

afterEach(cleanUp);

const there = {through: CONTAINER};
const SLEEPING = ['--', 'sh', '-c', 'echo up; exec sleep 1000'];

/** With a boot id of its own besides, as systemd-nspawn makes them. */
function nspawnLike(cli: Cli): {through: string[]} {
  const file = join(cli.directory, `boot-${randomUUID()}`);
  writeFileSync(file, `${randomUUID()}\n`);
  const script = 'mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@"';
  return {through: [...CONTAINER, 'sh', '-c', script, 'sh', file]};
}

async function storeWithRoot(): Promise<Cli> {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  return cli;
}

/** Starts something in a container and kills the container once it says a word. */
async function killed(
  cli: Cli,
  args: readonly string[],
  through: readonly string[] = CONTAINER,
): Promise<void> {
  const child = cli.start(args, {through});
  await once(child.stdout!, 'data');
  child.kill('SIGKILL');
  await outcomeOf(child);
}

/** Starts an import and leaves it in the middle. */
async function importIn(cli: Cli, where: {through: readonly string[]}): Promise<ChildProcess> {
  const tar = execFileSync('tar', ['-C', busyboxRoot(), '-cf', '-', '.'], {maxBuffer: 1e9});
  const child = cli.start(['import', '-', 'other'], where);
  child.stdin?.write(tar.subarray(0, 200_000));
  const isLocked = (name: string): boolean =>
    (statSync(join(cli.store, 'sessions', name), {throwIfNoEntry: false})?.mode ?? 0) % 0o1000 === 0o400 &&
    readFileSync(join(cli.store, 'sessions', name), 'utf8').includes('"import"');
  expect(await eventually(() => namesIn(cli, 'sessions').some(isLocked))).toBe(true);
  return child;
}

function namesIn(cli: Cli, directory: string): string[] {
  return readdirSync(join(cli.store, directory));
}

test('a run of a dead container is told, removed and collected in another one', async () => {
  const cli = await storeWithRoot();
  const old = (await cli.json<{version: string}[]>('images', 'base'))[0]!.version;
  await cli.ok('update', 'base', '--', 'touch', '/new');
  await killed(cli, ['run', `base@${old}`, ...SLEEPING]);
  await killed(cli, ['run', `base@${old}`, ...SLEEPING]);
  const ps = JSON.parse((await cli.call(['ps', '--json'], there)).stdout) as {id: string; state: string}[];
  expect(ps.map(({state}) => state)).toEqual(['dead', 'dead']);

  expect(await cli.call(['session', 'rm', ps[0]!.id], there)).toMatchObject({code: 0, stderr: ''});
  expect(await cli.call(['rm', `base@${old}`], there)).toMatchObject({code: 0});
  expect(await cli.call(['gc'], there)).toMatchObject({code: 0});
  expect(namesIn(cli, 'sessions')).toEqual([]);
  expect(await cli.ok('doctor')).toBe('all is well');
});

test('the living are left alone, paused as they may be, whatever boot ids there are', async () => {
  const cli = await storeWithRoot();
  const script = 'echo up; read -r _; echo done >/done';
  const runs = [there, nspawnLike(cli), {}].map((where) =>
    cli.start(['run', '--commit', 'base', '--', 'sh', '-c', script], where),
  );
  const importing = await importIn(cli, nspawnLike(cli));
  await Promise.all(runs.map((child) => once(child.stdout!, 'data')));
  const paused = entries().filter((entry) => parentOf(entry) === runs[0]!.pid);
  for (const pid of paused) process.kill(pid, 'SIGSTOP');
  for (const where of [{}, there, nspawnLike(cli)]) {
    expect(await cli.call(['gc'], where)).toMatchObject({code: 0, stdout: '', stderr: ''});
    const ps = JSON.parse((await cli.call(['ps', '--json'], where)).stdout) as {state: string}[];
    expect(ps.map(({state}) => state)).toEqual(Array(4).fill('running'));
  }
  for (const pid of paused) process.kill(pid, 'SIGCONT');
  importing.kill('SIGKILL');
  const [first, ...others] = runs;
  first!.stdin?.write('\n');
  expect(await outcomeOf(first!)).toMatchObject({code: 0});
  for (const child of others) child.kill('SIGKILL');
  await Promise.all(others.map((child) => once(child, 'close')));
  expect(await cli.ok('run', 'base', '--', 'cat', '/done')).toBe('done');
  expect(await cli.call(['gc'], there)).toMatchObject({code: 0});
  expect(namesIn(cli, 'sessions')).toEqual([]);
});

function parentOf(entry: number): number | undefined {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${entry}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined; // It has ended.
  }
}

test('what died before it could lock anything is left to who sees that it is gone', async () => {
  const cli = await storeWithRoot();
  // The container lives on: another one may be given the number of a namespace that is gone, and knows more then.
  const script = '"$@" & read -r _; kill -9 $!; wait $!; echo dead; read -r _';
  const container = cli.start(['run', 'base', ...SLEEPING], {
    through: [...CONTAINER, 'sh', '-c', script, 'sh'],
  });
  await once(container.stdout!, 'data');
  container.stdin?.write('\n');
  await once(container.stdout!, 'data');
  const [name = ''] = namesIn(cli, 'sessions');
  chmodSync(join(cli.store, 'sessions', name), 0o600);
  for (const where of [there, nspawnLike(cli)]) {
    expect(await cli.call(['gc'], where)).toMatchObject({code: 0, stdout: ''});
    const refused = await cli.call(['session', 'rm', '--force', name.replace('.json', '')], where);
    expect(refused).toMatchObject({code: 5});
    expect(refused.stderr).toContain('cannot be seen from here');
  }
  await cli.ok('gc');
  expect(namesIn(cli, 'sessions')).toEqual([]);
});

test('an import, and a session that was never begun, of dead containers are collected in another one', async () => {
  const cli = await storeWithRoot();
  const importing = await importIn(cli, nspawnLike(cli));
  importing.kill('SIGKILL');
  await once(importing, 'close');
  // As it is when its process is killed before its root is mounted.
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const path = join(cli.store, 'sessions/work.json');
  const record = JSON.parse(readFileSync(path, 'utf8')) as {volume: string; owner: object};
  const owner = {...record.owner, pid: 1, started: '1', boot: randomUUID(), namespace: 'pid:[1]'};
  writeFileSync(path, `${JSON.stringify({...record, owner, pending: [record.volume]})}\n`);
  writeFileSync(join(cli.store, 'locks/session-work.lock'), '');

  expect(await cli.call(['gc'], there)).toMatchObject({code: 0});
  expect(namesIn(cli, 'sessions')).toEqual([]);
  expect(await cli.ok('doctor')).toBe('all is well');
});

test('nothing inside comes to the lock', async () => {
  const cli = await storeWithRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const children = [
    ['run', 'base', ...SLEEPING],
    ['exec', 'work', ...SLEEPING],
  ].map((args) => cli.start(args));
  await Promise.all(children.map((child) => once(child.stdout!, 'data')));
  const holders = entries().filter((entry) =>
    linksIn(`/proc/${entry}/fd`).some((link) => /\/(?:sessions|locks)\/[^/]+$/.test(link)),
  );
  // Only who is to hold them: also the one outside that the session's sandbox descends from.
  const path = join(cli.store, 'sessions/work.json');
  const {sandbox} = parseRecord(SessionRecord, readFileSync(path, 'utf8'), path);
  expect(holders.filter((entry) => belongsTo(cli, entry)).sort()).toEqual(
    [...children, sandbox].map((each) => each?.pid).sort(),
  );
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(children.map((child) => once(child, 'close')));
});

function belongsTo(cli: Cli, entry: number): boolean {
  return linksIn(`/proc/${entry}/fd`).some((link) => link.startsWith(cli.store));
}

function linksIn(directory: string): string[] {
  try {
    return readdirSync(directory).map((name) => {
      try {
        return readlinkSync(join(directory, name));
      } catch {
        return ''; // It was closed meanwhile.
      }
    });
  } catch {
    return []; // Its process has ended.
  }
}
