/** One store, used from the host and from containers: nobody mistakes a number of another pid namespace for one of his own. */
import {afterAll, expect, test} from '@jest/globals';
import type {ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {parseRecord, SessionRecord} from '../../src/store/records.ts';
import {Cli, cleanUp, CONTAINER, outcomeOf} from '../cli/chrootctl.ts';

afterAll(cleanUp);

/** Starts a command in a container of its own, in which chrootctl is process 1, and waits until it runs. */
async function runIn(
  cli: Cli,
  ...args: string[]
): Promise<{child: ChildProcess; ended: ReturnType<typeof outcomeOf>}> {
  const child = cli.start(args, {through: CONTAINER});
  const ended = outcomeOf(child);
  await once(child.stdout!, 'data');
  return {child, ended};
}

const there = {through: CONTAINER};

async function storeWithSession(): Promise<Cli> {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  return cli;
}

test('a run in a container is killed from outside, and not from another container', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  const {ended} = await runIn(cli, 'run', 'base', '--', 'sh', '-c', 'echo up; exec sleep 1000');
  const [file = ''] = readdirSync(join(cli.store, 'sessions'));
  const {id, owner} = parseRecord(
    SessionRecord,
    readFileSync(join(cli.store, 'sessions', file), 'utf8'),
    file,
  );
  expect(owner.pid).toBe(1);

  const refused = await cli.call(['session', 'rm', '--force', id], there);
  expect(refused).toMatchObject({code: 5, stdout: ''});
  expect(refused.stderr).toMatch(/pid 1 in the pid namespace \d+, which cannot be seen from here/);
  expect((await cli.call(['session', 'rm', id])).stderr).toMatch(
    /running \(pid \d+, pid 1 in the pid namespace \d+\)/,
  );
  expect(await cli.json('ps')).toMatchObject([{id, state: 'running'}]);

  await cli.ok('session', 'rm', '--force', id);
  expect((await ended).code).not.toBe(0);
  expect(await cli.json('ps')).toEqual([]);
  expect(await cli.ok('doctor')).toBe('all is well');
});

test('a session is neither committed nor ended nor entered under a command that cannot be stopped', async () => {
  const cli = await storeWithSession();
  const {ended} = await runIn(cli, 'exec', 'work', '--', 'sh', '-c', 'echo up; exec sleep 1000');
  const before = await cli.json('images');
  const tried = [
    ['exec', 'work', '--', 'true'],
    ['commit', 'work'],
    ['session', 'end', 'work', '--commit'],
    ['session', 'end', 'work'],
    ['session', 'rm', '--force', 'work'],
  ];
  const outcomes: [number, string][] = [];
  for (const args of tried) {
    const {code, stderr} = await cli.call(args, there);
    outcomes.push([
      code,
      /pid \d+ in the pid namespace \d+, which cannot be seen from here/.test(stderr) ? '' : stderr,
    ]);
  }
  // A command that cannot be started ends with 125, as docker's.
  expect(outcomes).toEqual([125, 5, 5, 5, 5].map((code) => [code, '']));
  expect(await cli.json('images')).toEqual(before);
  // The record of the one that runs is another file than that of the one that was refused, in which we were process 1 too.
  expect(await cli.json('ps')).toMatchObject([{id: 'work', state: 'running'}]);

  // From here it can be seen, so it can be stopped and ended.
  await cli.ok('exec', 'work', '--', 'touch', '/from-outside');
  await cli.ok('commit', 'work');
  expect(await cli.ok('run', 'base', '--', 'ls', '/from-outside')).toBe('/from-outside');
  expect((await cli.call(['session', 'end', 'work'])).code).toBe(5);
  await cli.ok('session', 'rm', '--force', 'work');
  expect((await ended).code).not.toBe(0);
  expect(readdirSync(join(cli.store, 'execs'))).toEqual([]);
  expect(await cli.ok('doctor')).toBe('all is well');
});

test('what died in a container is no obstacle once that is certain', async () => {
  const cli = await storeWithSession();
  const script =
    '"$@" & read -r _; kill -9 $!; wait $!; echo "dead $?"; read -r _; kill -9 -1; echo all; read -r _';
  const child = cli.start(['exec', 'work', '--', 'sh', '-c', 'echo up; exec sleep 1000'], {
    through: [...CONTAINER, 'sh', '-c', script, 'sh'],
  });
  const answers = async (): Promise<string> => {
    child.stdin?.write('\n');
    return String(((await once(child.stdout!, 'data')) as [Buffer])[0]);
  };
  await once(child.stdout!, 'data');
  expect((await cli.call(['session', 'end', 'work'])).code).toBe(5);
  expect(await answers()).toBe('dead 137\n');
  // What the command has left running may be there still.
  const refused = await cli.call(['session', 'end', 'work'], there);
  expect(refused).toMatchObject({code: 5, stderr: expect.stringContaining('has a sandbox elsewhere')});
  expect(await answers()).toBe('all\n');
  // Another container cannot see that, but its locks are free.
  expect(await cli.call(['session', 'end', 'work'], there)).toMatchObject({code: 0, stderr: ''});
  expect(readdirSync(join(cli.store, 'execs'))).toEqual([]);
  expect(readdirSync(join(cli.store, 'locks')).filter((name) => /work/.test(name))).toEqual([]);
});

test('signals reach who is meant also where /proc shows the numbers of another pid namespace', async () => {
  const cli = await storeWithSession();
  const trap = 'trap "echo told; exit 7" TERM; echo up; while :; do sleep 0.05; done';
  const script = `
    up() { until grep -q up "$1"; do sleep 0.05; done; }
    "$@" run base -- sh -c '${trap}' >run & up run
    kill -TERM $!; wait $!; echo "run $?"
    "$@" exec work -- sh -c 'echo up; exec sleep 1000' >exec & up exec
    "$@" gc; "$@" commit work >/dev/null; echo "commit $?"
    "$@" session rm --force work >/dev/null; echo "rm $?"
    wait $!; echo "exec $?"`;
  const through = ['unshare', '--pid', '--fork', '--kill-child', 'sh', '-c', script, 'sh'];
  expect(await cli.call([], {through})).toMatchObject({
    code: 0,
    stdout: 'run 7\ncommit 0\nrm 0\nexec 137\n',
  });
});
