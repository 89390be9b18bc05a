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
  await terminal.start(launcher(spec).join(' '));
}

test('Ctrl-C reaches the command once, and we report its own end', async () => {
  await enter(
    await sandbox(
      sh('trap "n=x\\$n; echo caught" INT; echo up; sleep 1; sleep 1; sleep 1; echo "n=$n"; exit 9'),
    ),
  );
  await terminal.shows(/^up$/m);
  terminal.type('C-c');
  await terminal.shows(/^ended 9$/m);
  expect(terminal.screen().match(/^\^?C?caught$/gm)).toHaveLength(1);
});

test('Ctrl-C ends a command that does not catch it', async () => {
  await enter(await sandbox(sh('echo up; exec sleep 4242')));
  await terminal.shows(/^up$/m);
  terminal.type('C-c');
  await terminal.shows(PROMPT);
});

test('Ctrl-\\ can be caught', async () => {
  await enter(await sandbox(sh('trap "exit 11" QUIT; echo up; while :; do sleep 0.1; done')));
  await terminal.shows(/^up$/m);
  terminal.type('C-\\');
  // Behind what the terminal echoes, unless that was flushed by the signal.
  await terminal.shows(/^(?:\^\\)?ended 11$/m);
});

test('Ctrl-Z stops, fg goes on', async () => {
  await enter(
    await sandbox(sh('echo up; i=0; while [ $i -lt 30 ]; do sleep 0.1; i=$((i+1)); done; echo done; exit 4')),
  );
  await terminal.shows(/^up$/m);
  terminal.type('C-z');
  await terminal.shows(/Stopped/);
  terminal.type('clear; fg; echo "again $?"', 'Enter');
  await terminal.shows(/^done$/m);
  await terminal.shows(/^again 4$/m);
});

test('a shell inside has the terminal, its size and job control', async () => {
  await enter(await sandbox(['bash', '--norc'], {env: {PS1: 'inside> ', TERM: 'screen'}}));
  await terminal.shows(/inside>$/m);
  terminal.type('clear; stty size; test -t 0 && test -t 1 && test -t 2 && echo terminal', 'Enter');
  await terminal.shows(/^30 100$/m);
  await terminal.shows(/^terminal$/m);
  expect(terminal.screen()).not.toMatch(/no job control/);
  terminal.tmux('resize-window', '-t', 'main', '-x', '90', '-y', '20');
  terminal.type('clear; stty size', 'Enter');
  await terminal.shows(/^20 90$/m);
  // Told by the process that is to get the signal: before it has the terminal, the shell would get it.
  terminal.type(`clear; sh -c 'echo "sleep"ing; exec sleep 4242'`, 'Enter');
  await terminal.shows(/^sleeping$/m);
  terminal.type('C-c');
  await terminal.shows(/inside>$/m);
  terminal.type('echo "code $?"', 'Enter');
  await terminal.shows(/^code 130$/m);
  terminal.type('exit 6', 'Enter');
  await terminal.shows(/^ended 6$/m);
});
