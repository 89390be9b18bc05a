/** What the real binary, and everything that it starts, asks of the file system: counted by strace(1). */
import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {BINARY, type Cli} from './chrootctl.ts';

/** What depends on how busy the machine is: the processes there are, and in how many pieces a pipe is read. */
const CHANCE = /\/proc\/|<(?:pipe|socket|anon_inode):/;

/**
 * How much a call of chrootctl asks of the file system: one for each system call on a file or directory, and for each
 * name that is read out of a directory and each KiB that is read out of a file. @throws Error when chrootctl fails
 */
export function fileWork(cli: Cli, ...args: readonly string[]): number {
  return fileWorkThrough([], cli, ...args);
}

/** The same of one that is started by a program, of these words. */
export function fileWorkThrough(through: readonly string[], cli: Cli, ...args: readonly string[]): number {
  return traced(cli, args, through)
    .filter((line) => !CHANCE.test(line))
    .reduce((sum, line) => sum + 1 + namesIn(line) + kibibytesIn(line), 0);
}

/** How often the table of mounts is opened, which the kernel writes anew each time, a line for each mount. */
export function looksAtMounts(cli: Cli, ...args: readonly string[]): number {
  return traced(cli, args).filter((line) => /^openat\(.*\/mountinfo"/.test(line)).length;
}

/** Paths of the records of versions that are opened, as often as they are. */
export function recordsOpened(cli: Cli, ...args: readonly string[]): string[] {
  return traced(cli, args).flatMap(
    (line) => /^openat\(.*"([^"]*\/versions\/\w+\.json)"/.exec(line)?.[1] ?? [],
  );
}

/** The programs that a call starts, and those that these start, by their names. */
export function programsStarted(cli: Cli, ...args: readonly string[]): string[] {
  return traced(cli, args).flatMap((line) => /^execve\(.*?"[^"]*?([^/"]+)", .* = 0$/.exec(line)?.[1] ?? []);
}

/** The lines of strace(1). */
function traced(cli: Cli, args: readonly string[], through: readonly string[] = []): string[] {
  const traces = join(cli.directory, 'traces');
  mkdirSync(traces);
  // One file for each process, so that no line is cut in two by another's; -y adds the paths of descriptors.
  const strace = ['-ff', '-y', '-qq', '-s', '4096', '-e', 'signal=none', '-e', 'trace=%file,getdents64,read'];
  execFileSync('strace', [...strace, '-o', join(traces, 'trace'), ...through, BINARY, ...args], {
    cwd: cli.directory,
    env: {PATH: process.env['PATH'], HOME: cli.directory, CHROOTCTL_ROOT: cli.store},
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const lines = readdirSync(traces).flatMap((name) => readFileSync(join(traces, name), 'utf8').split('\n'));
  rmSync(traces, {recursive: true});
  return lines.filter((line) => line !== '');
}

function namesIn(line: string): number {
  return line.startsWith('getdents64(') ? Number(/\/\* (\d+) entries \*\//.exec(line)?.[1] ?? 0) : 0;
}

function kibibytesIn(line: string): number {
  return line.startsWith('read(') ? Math.floor(Number(/ = (\d+)$/.exec(line)?.[1] ?? 0) / 1024) : 0;
}
