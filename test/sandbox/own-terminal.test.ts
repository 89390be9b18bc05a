/** What a user has at a terminal that is not his: one of his own, behind the caller's. */
import {beforeEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {SandboxSpec} from '../../src/sandbox/spec.ts';
import {terminalProgram} from '../../src/sandbox/terminal-program.ts';
import {temporaryDirectory} from '../temporary.ts';
import {PROMPT, Terminal} from '../terminal.ts';
import {eventually, launcher, sandbox, sh, tracesOf} from './sandbox.ts';

let terminal: Terminal;

beforeEach(async () => {
  terminal = new Terminal();
  await terminal.shows(PROMPT);
});

const asDaemon = (command: readonly string[], changes: Partial<SandboxSpec> = {}): Promise<SandboxSpec> =>
  sandbox(command, {user: 'daemon', ...changes});

/** Types the command line that launches the sandbox, with what comes before and after it. */
function enter(spec: SandboxSpec, after = '; echo "ended $?"', before = 'clear; '): void {
  terminal.type(before, ...launcher(spec).flatMap((word) => [word, 'Space']), after, 'Enter');
}

const settings = (): string =>
  execFileSync('stty', ['-a', '-F', terminal.tmux('display-message', '-p', '#{pane_tty}').trim()], {
    encoding: 'utf8',
  }).replace(/rows \d+; columns \d+/, '');

/** What the shell outside leaves the terminal as for its commands, not for its own line. */
async function settingsForCommands(): Promise<string> {
  terminal.type('clear; read x', 'Enter');
  expect(await eventually(() => / icanon/.test(settings()))).toBe(true);
  const found = settings();
  terminal.type('Enter');
  return found;
}

test('it has a name, and is his', async () => {
  enter(
    await asDaemon(
      sh(
        'tty; t=$(tty); test -r $t && test -w $t && echo usable; mesg n; mesg; : </dev/tty >/dev/stdout && stat -c "%U %G" $t; exit 7',
      ),
    ),
  );
  await terminal.shows(/^ended 7$/m);
  expect(terminal.screen()).toMatch(/^\/dev\/pts\/0\nusable\nis n\ndaemon tty\nended 7$/m);
});

test('its shell has job control, the size, and the keys; the terminal is the same afterwards', async () => {
  const before = await settingsForCommands();
  enter(await asDaemon(['bash', '--norc'], {env: {PS1: 'inside> ', TERM: 'screen'}}));
  await terminal.shows(/inside>$/m);
  expect(terminal.screen()).not.toMatch(/no job control/);
  terminal.type('clear; stty size', 'Enter');
  await terminal.shows(/^30 100$/m);
  terminal.tmux('resize-window', '-t', 'main', '-x', '90', '-y', '20');
  terminal.type(`clear; until stty size | grep '^20 90'; do sleep 0.1; done`, 'Enter');
  await terminal.shows(/^20 90$/m);
  terminal.type(`clear; sh -c 'echo "sleep"ing; exec sleep 4242'`, 'Enter');
  await terminal.shows(/^sleeping$/m);
  terminal.type('C-z');
  await terminal.shows(/Stopped/);
  terminal.type('clear; fg', 'Enter');
  await terminal.shows(/^sh -c/m);
  terminal.type('C-c');
  await terminal.shows(/inside>$/m);
  terminal.type('echo "code $?"', 'Enter');
  await terminal.shows(/^code 130$/m);
  terminal.type('exit 6', 'Enter');
  await terminal.shows(/^ended 6$/m);
  expect(await settingsForCommands()).toBe(before);
});

test('lines are edited and shown; Ctrl-C ends what does not catch it; end of file ends it', async () => {
  enter(await asDaemon(sh('echo up; cat; echo over; exec sleep 4242')));
  await terminal.shows(/^up$/m);
  terminal.type('wrongx', 'BSpace', 'C-u', 'rightx', 'BSpace', 'Enter');
  await terminal.shows(/^right\nright$/m);
  terminal.type('C-d');
  await terminal.shows(/^over$/m);
  terminal.type('C-c');
  await terminal.shows(/^\^?C?ended 130$/m);
});

test('all that was written is shown, whatever still holds the terminal', async () => {
  enter(await asDaemon(sh('sleep 4242 & seq 20000')));
  await terminal.shows(/^19999\n20000\nended 0$/m);
});

test('what is a file stays one', async () => {
  const file = join(temporaryDirectory(), 'out');
  enter(
    await asDaemon(sh('tty; echo up >&2; read line; echo "$line"; test ! -t 1')),
    `> ${file}; echo "ended $?"`,
  );
  await terminal.shows(/^up$/m);
  terminal.type('typed', 'Enter');
  await terminal.shows(/^typed\nended 0$/m);
  expect(readFileSync(file, 'utf8')).toBe('/dev/pts/0\ntyped\n');
});

test("in a pipeline the terminal stays the caller's, and Ctrl-C reaches all of it", async () => {
  enter(await asDaemon(sh('stat -L -c %U /proc/self/fd/0; exec sleep 4242')), '| sed -u s/^/:/');
  await terminal.shows(/^:root$/m);
  terminal.type('C-c');
  await terminal.shows(PROMPT);
});

test('in the background it leaves the keys to others, until it is brought to the front', async () => {
  enter(await asDaemon(sh('echo up; read line; echo "got $line"')), '&');
  await terminal.shows(/^(?:prompt> )?up$/m);
  terminal.type('echo "mine"', 'Enter');
  await terminal.shows(/^mine$/m);
  terminal.type('clear; fg', 'Enter', 'yours', 'Enter');
  await terminal.shows(/^got yours$/m);
});

test('in the background, too, it ends with the terminal', async () => {
  terminal.tmux('set-option', '-g', 'remain-on-exit', 'on');
  const spec = await asDaemon(sh('echo up; read line'));
  enter(spec, '&');
  await terminal.shows(/^(?:prompt> )?up$/m);
  // The shell passes SIGHUP on to its jobs, but not when it is killed.
  process.kill(Number(terminal.tmux('display-message', '-p', '#{pane_pid}')), 'SIGKILL');
  const mountPoint = 'plan' in spec.root ? spec.root.mountPoint : '';
  expect(await eventually(() => tracesOf(mountPoint).length === 0)).toBe(true);
});

test('kill -9 leaves neither a process nor a terminal that shows nothing', async () => {
  const before = await settingsForCommands();
  const spec = await asDaemon(sh('echo up; exec sleep 4242'));
  // A shell that does not put the terminal right by itself.
  enter(spec, `; echo "ended $?"; read x'`, `clear; sh -c '`);
  await terminal.shows(/^up$/m);
  expect(await eventually(() => / -icanon/.test(settings()))).toBe(true);
  const mountPoint = 'plan' in spec.root ? spec.root.mountPoint : '';
  const group = terminal.tmux('display-message', '-p', '#{pane_pid}').trim();
  const [shell = ''] = readFileSync(`/proc/${group}/task/${group}/children`, 'utf8').split(' ');
  const [ours = ''] = readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8').split(' ');
  process.kill(Number(ours), 'SIGKILL');
  // It may still be the moment in which a line begins where the last one ended.
  await terminal.shows(/ended 137$/m);
  expect(await eventually(() => settings() === before)).toBe(true);
  expect(await eventually(() => tracesOf(mountPoint).length === 0)).toBe(true);
});

test('root keeps the terminal, and it has a name also when only standard input is one', async () => {
  enter(
    await sandbox(sh('tty >&2; test $(stat -c %t:%T $(tty)) = $(stat -L -c %t:%T /dev/fd/0)')),
    '> /dev/null; echo "ended $?"',
  );
  await terminal.shows(/^\/dev\/console\nended 0$/m);
});

test('on a processor whose system calls are not known there is no such program', () => {
  expect(() => terminalProgram(1, [4], 'vax')).toThrow(/vax/);
  for (const known of ['x64', 'arm64', 'ppc64'])
    expect(terminalProgram(1, [4, 1], known)).not.toMatch(/syscall\([A-Z]|ioctl\S* \S+ T[A-Z]{3,}/);
});
