/** At a terminal, driven by tmux: what a person at the keyboard relies on. */
import {beforeEach, expect, test} from '@jest/globals';
import type {SandboxSpec} from '../../src/sandbox/spec.ts';
import {PROMPT, Terminal} from '../terminal.ts';
import {launcher, sandbox, sh} from './sandbox.ts';

let terminal: Terminal;

beforeEach(() => {
  terminal = new Terminal();
});

/** Types the command line that launches the sandbox; what comes after it on the line tells how it ended. */
async function enter(spec: SandboxSpec): Promise<void> {
  expect(await terminal.shows(PROMPT)).toBe(true);
  terminal.type(
    'clear; ',
    ...launcher(spec).flatMap((word) => [word, 'Space']),
    '; echo "ended $?"',
    'Enter',
  );
}

test('Ctrl-C reaches the command once, and we report its own end', async () => {
  await enter(
    await sandbox(
      sh('trap "n=x\\$n; echo caught" INT; echo up; sleep 1; sleep 1; sleep 1; echo "n=$n"; exit 9'),
    ),
  );
  expect(await terminal.shows(/^up$/m)).toBe(true);
  terminal.type('C-c');
  expect(await terminal.shows(/^ended 9$/m)).toBe(true);
  expect(terminal.screen().match(/^\^?C?caught$/gm)).toHaveLength(1);
});

test('Ctrl-C ends a command that does not catch it', async () => {
  await enter(await sandbox(sh('echo up; exec sleep 4242')));
  expect(await terminal.shows(/^up$/m)).toBe(true);
  terminal.type('C-c');
  expect(await terminal.shows(PROMPT)).toBe(true);
});

test('Ctrl-\\ can be caught', async () => {
  await enter(await sandbox(sh('trap "exit 11" QUIT; echo up; while :; do sleep 0.1; done')));
  expect(await terminal.shows(/^up$/m)).toBe(true);
  terminal.type('C-\\');
  // Behind what the terminal echoes, unless that was flushed by the signal.
  expect(await terminal.shows(/^(?:\^\\)?ended 11$/m)).toBe(true);
});

test('Ctrl-Z stops, fg goes on', async () => {
  await enter(
    await sandbox(sh('echo up; i=0; while [ $i -lt 30 ]; do sleep 0.1; i=$((i+1)); done; echo done; exit 4')),
  );
  expect(await terminal.shows(/^up$/m)).toBe(true);
  terminal.type('C-z');
  expect(await terminal.shows(/Stopped/)).toBe(true);
  terminal.type('clear; fg; echo "again $?"', 'Enter');
  expect(await terminal.shows(/^done$/m)).toBe(true);
  expect(await terminal.shows(/^again 4$/m)).toBe(true);
});

test('a shell inside has the terminal, its size and job control', async () => {
  await enter(await sandbox(['bash', '--norc'], {env: {PS1: 'inside> ', TERM: 'screen'}}));
  expect(await terminal.shows(/inside>$/m)).toBe(true);
  terminal.type('clear; stty size; test -t 0 && test -t 1 && test -t 2 && echo terminal', 'Enter');
  expect(await terminal.shows(/^30 100$/m)).toBe(true);
  expect(await terminal.shows(/^terminal$/m)).toBe(true);
  expect(terminal.screen()).not.toMatch(/no job control/);
  terminal.tmux('resize-window', '-t', 'main', '-x', '90', '-y', '20');
  terminal.type('clear; stty size', 'Enter');
  expect(await terminal.shows(/^20 90$/m)).toBe(true);
  // Told by the process that is to get the signal: before it has the terminal, the shell would get it.
  terminal.type(`clear; sh -c 'echo "sleep"ing; exec sleep 4242'`, 'Enter');
  expect(await terminal.shows(/^sleeping$/m)).toBe(true);
  terminal.type('C-c');
  expect(await terminal.shows(/inside>$/m)).toBe(true);
  terminal.type('echo "code $?"', 'Enter');
  expect(await terminal.shows(/^code 130$/m)).toBe(true);
  terminal.type('exit 6', 'Enter');
  expect(await terminal.shows(/^ended 6$/m)).toBe(true);
});
