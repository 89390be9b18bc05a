/** At a terminal, driven by tmux: what a person at the keyboard relies on. */
import {afterEach, beforeEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {randomId} from '../../src/ids.ts';
import type {SandboxSpec} from '../../src/sandbox/spec.ts';
import {eventually, launcher, sandbox, sh} from './sandbox.ts';

let socket = '';

const tmux = (...args: string[]) => execFileSync('tmux', ['-L', socket, ...args], {encoding: 'utf8'});
const screen = () => tmux('capture-pane', '-p', '-t', 'main');
const type = (...keys: string[]) => tmux('send-keys', '-t', 'main', ...keys);
/** Fails with what the screen shows. */
async function shows(pattern: RegExp): Promise<boolean> {
  const found = await eventually(() => pattern.test(screen()));
  if (!found) throw new Error(`no ${String(pattern)} on the screen:\n${screen()}`);
  return true;
}

beforeEach(() => {
  socket = `chrootctl-test-${randomId()}`;
  tmux(
    '-f',
    '/dev/null',
    'new-session',
    '-d',
    '-s',
    'main',
    '-x',
    '100',
    '-y',
    '30',
    'env PS1="prompt> " bash --norc',
  );
});

afterEach(() => {
  tmux('kill-server');
});

/** Types the command line that launches the sandbox; what comes after it on the line tells how it ended. */
async function enter(spec: SandboxSpec): Promise<void> {
  expect(await shows(/prompt>$/m)).toBe(true);
  type('clear; ', ...launcher(spec).flatMap((word) => [word, 'Space']), '; echo "ended $?"', 'Enter');
}

test('Ctrl-C reaches the command once, and we report its own end', async () => {
  await enter(
    await sandbox(
      sh('trap "n=x\\$n; echo caught" INT; echo up; sleep 1; sleep 1; sleep 1; echo "n=$n"; exit 9'),
    ),
  );
  expect(await shows(/^up$/m)).toBe(true);
  type('C-c');
  expect(await shows(/^ended 9$/m)).toBe(true);
  expect(screen().match(/^\^?C?caught$/gm)).toHaveLength(1);
});

test('Ctrl-C ends a command that does not catch it', async () => {
  await enter(await sandbox(sh('echo up; exec sleep 4242')));
  expect(await shows(/^up$/m)).toBe(true);
  type('C-c');
  expect(await shows(/prompt>$/m)).toBe(true);
});

test('Ctrl-\\ can be caught', async () => {
  await enter(await sandbox(sh('trap "exit 11" QUIT; echo up; while :; do sleep 0.1; done')));
  expect(await shows(/^up$/m)).toBe(true);
  type('C-\\');
  // Behind what the terminal echoes, unless that was flushed by the signal.
  expect(await shows(/^(?:\^\\)?ended 11$/m)).toBe(true);
});

test('Ctrl-Z stops, fg goes on', async () => {
  await enter(
    await sandbox(sh('echo up; i=0; while [ $i -lt 30 ]; do sleep 0.1; i=$((i+1)); done; echo done; exit 4')),
  );
  expect(await shows(/^up$/m)).toBe(true);
  type('C-z');
  expect(await shows(/Stopped/)).toBe(true);
  type('clear; fg; echo "again $?"', 'Enter');
  expect(await shows(/^done$/m)).toBe(true);
  expect(await shows(/^again 4$/m)).toBe(true);
});

test('a shell inside has the terminal, its size and job control', async () => {
  await enter(await sandbox(['bash', '--norc'], {env: {PS1: 'inside> ', TERM: 'screen'}}));
  expect(await shows(/inside>$/m)).toBe(true);
  type('clear; stty size; test -t 0 && test -t 1 && test -t 2 && echo terminal', 'Enter');
  expect(await shows(/^30 100$/m)).toBe(true);
  expect(await shows(/^terminal$/m)).toBe(true);
  expect(screen()).not.toMatch(/no job control/);
  tmux('resize-window', '-t', 'main', '-x', '90', '-y', '20');
  type('clear; stty size', 'Enter');
  expect(await shows(/^20 90$/m)).toBe(true);
  // Told by the process that is to get the signal: before it has the terminal, the shell would get it.
  type(`clear; sh -c 'echo "sleep"ing; exec sleep 4242'`, 'Enter');
  expect(await shows(/^sleeping$/m)).toBe(true);
  type('C-c');
  expect(await shows(/inside>$/m)).toBe(true);
  type('echo "code $?"', 'Enter');
  expect(await shows(/^code 130$/m)).toBe(true);
  type('exit 6', 'Enter');
  expect(await shows(/^ended 6$/m)).toBe(true);
});
