import {afterEach, expect, test} from '@jest/globals';
import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {childrenOf} from '../../src/sandbox/processes.ts';
import {withPaused} from '../../src/session/pause.ts';
import {sandboxesOf} from '../../src/session/running.ts';
import type {Exec} from '../../src/store/execs.ts';
import {self, startOf} from '../../src/system/identity.ts';
import {statOf} from '../../src/system/processes.ts';
import {eventually} from '../sandbox/sandbox.ts';

const started: ChildProcess[] = [];

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** The process outside of a container, as that outside of a sandbox, and those in it: a shell and what it starts. */
async function container(script: string, count: number): Promise<{outer: number; inner: number[]}> {
  const words = ['--pid', '--fork', '--kill-child', 'sh', '-c', `${script} wait`];
  const child = spawn('unshare', words, {stdio: ['ignore', 'ignore', 'inherit']});
  started.push(child);
  await once(child, 'spawn');
  expect(await eventually(() => below(child.pid!).length === count)).toBe(true);
  return {outer: child.pid!, inner: below(child.pid!)};
}

function below(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...below(child)]);
}

/** How many of them are stopped. */
function stopped(pids: readonly number[]): number {
  return pids.filter((pid) => statOf(pid)?.state === 'T').length;
}

/** The record of a command whose sandbox that is. */
function execOf(sandbox?: number | null, owner = self()): Exec {
  return {
    id: 'work.x',
    session: 'work',
    owner,
    command: ['true'],
    ...(sandbox === undefined
      ? {}
      : {sandbox: sandbox === null ? null : {pid: sandbox, started: startOf(sandbox)!}}),
  };
}

const paused = async <T>(execs: readonly Exec[], work: () => Promise<T>): Promise<T> =>
  withPaused(sandboxesOf(execs), work);

test('those of the sandbox are stopped, and no others of its owner', async () => {
  const ours = await container('sleep 1000 & unshare --pid --fork sleep 1000 &', 4);
  const strangers = await container('sleep 1000 &', 2);
  const seen = await paused([execOf(ours.outer)], () =>
    Promise.resolve([stopped(ours.inner), stopped([ours.outer, ...strangers.inner])]),
  );
  expect(seen).toEqual([4, 0]);
  expect(stopped(ours.inner)).toBe(0);
});

test('what was stopped before stays so', async () => {
  const {outer, inner} = await container('sleep 1000 &', 2);
  process.kill(inner[1]!, 'SIGSTOP');
  expect(await eventually(() => stopped(inner) === 1)).toBe(true);
  expect(await paused([execOf(outer)], () => Promise.resolve(stopped(inner)))).toBe(2);
  expect(stopped([inner[1]!])).toBe(1);
});

test('an older record, which does not tell the sandbox, means all that its owner shuts in', async () => {
  const {outer, inner} = await container('sleep 1000 &', 2);
  const owner = {...self(), pid: outer, started: startOf(outer)!};
  expect(await paused([execOf(undefined, owner)], () => Promise.resolve(stopped(inner)))).toBe(2);
});

test('a command that waits for its turn has nothing to stop, and one that ended neither', async () => {
  const {outer, inner} = await container('sleep 1000 &', 2);
  const ended = {...execOf(outer), sandbox: {pid: outer, started: '1'}};
  const unseen = execOf(null, {...self(), time: 'time:[1]'});
  expect(await paused([execOf(null), ended, unseen], () => Promise.resolve(stopped(inner)))).toBe(0);
});

test('while there is a command that cannot be seen from here, nothing is done', async () => {
  const {outer, inner} = await container('sleep 1000 &', 2);
  const unseen = execOf(process.pid, {...self(), time: 'time:[1]'});
  let done = false;
  const work = paused([execOf(outer), unseen], () => Promise.resolve((done = true)));
  await expect(work).rejects.toThrow(expect.objectContaining({code: 'BUSY'}));
  expect([done, stopped(inner)]).toEqual([false, 0]);
});

test('they go on when who stopped them is killed, whatever their names are, and nobody else does', async () => {
  const named = `perl -e '$0 = "x) T 1\n2 (y"; sleep 1000' &`;
  const {outer, inner} = await container(named, 2);
  expect(await eventually(() => readFileSync(`/proc/${inner[1]}/comm`, 'utf8').startsWith('x) T 1\n2'))).toBe(
    true,
  );
  const stranger = spawn('sh', ['-c', 'kill -STOP $$']);
  started.push(stranger);
  expect(await eventually(() => stopped([stranger.pid!]) === 1)).toBe(true);
  const words = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'hold.ts')];
  const holder = spawn(process.execPath, [...words, JSON.stringify(execOf(outer))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(holder);
  await once(holder.stdout, 'data');
  expect(stopped(inner)).toBe(2);
  holder.kill('SIGKILL');
  expect(await eventually(() => stopped(inner) === 0)).toBe(true);
  expect(stopped([stranger.pid!])).toBe(1);
});
