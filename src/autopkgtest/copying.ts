/**
 * Files and directories between the host and a testbed. What comes out is a stranger's: on the host only the one directory
 * that was named is written, nothing in it is set-uid or a device, and all of it is the caller's.
 */
import {mkdirSync, statSync} from 'node:fs';
import {pipeline} from 'node:stream/promises';
import {startCollecting} from '../archive/confined-tar.ts';
import {ChrootctlError, errnoOf, messageOf} from '../errors.ts';
import {Child, type Ended} from '../system/child.ts';
import {interruption, stoppable} from '../system/interruption.ts';
import {lastLine} from '../system/programs.ts';
import {Unable} from './protocol.ts';

export interface Copy {
  direction: 'in' | 'out';
  host: string;
  inside: string;
}

/** Seconds; autopkgtest's variable for it, and its default. */
const TIMEOUT = {variable: 'AUTOPKGTEST_VIRT_COPY_TIMEOUT', default: 300};

/** In the words that every tar(1) knows: what is in a root need not be GNU's. Owners are those of whoever unpacks. */
const PACK = 'tar -c -f - .';
const UNPACK = 'tar -x -p -o -f -';

/** With the path as `$1`. */
const SCRIPTS = {
  readFile: 'exec cat <"$1"',
  writeFile: 'exec cat >"$1"',
  writeProgram: 'cat >"$1" && exec chmod +x -- "$1"',
  readDirectory: `cd -- "$1" && exec ${PACK}`,
  writeDirectory: `{ [ -d "$1" ] || mkdir -- "$1"; } && cd -- "$1" && exec ${UNPACK}`,
};

/** @throws Unable; Interrupted */
export async function copy(execute: readonly string[], {direction, host, inside}: Copy): Promise<void> {
  const isDirectory = host.endsWith('/');
  if (host === '' || inside === '' || isDirectory !== inside.endsWith('/'))
    throw new ChrootctlError('USAGE', `'${host}' and '${inside}' are not two files, nor two directories`, {
      hint: 'paths of directories end with a slash',
    });
  try {
    await (isDirectory ? copyDirectory : copyFile)(execute, {direction, host, inside});
  } catch (error) {
    if (error instanceof Unable || errnoOf(error) === undefined) throw error;
    throw new Unable('copy-failed', messageOf(error));
  }
}

async function copyFile(execute: readonly string[], {direction, host, inside}: Copy): Promise<void> {
  if (direction === 'out')
    return between(
      shell(execute, SCRIPTS.readFile, inside, ['ignore', 'pipe']),
      new Child('sh', ['-c', SCRIPTS.writeFile, 'sh', host], ['pipe', 'ignore']),
    );
  const stats = statSync(host);
  if (!stats.isFile()) throw new Unable('copy-failed', `${host} is not a file`);
  const script = (stats.mode & 0o111) === 0 ? SCRIPTS.writeFile : SCRIPTS.writeProgram;
  return between(
    new Child('sh', ['-c', SCRIPTS.readFile, 'sh', host], ['ignore', 'pipe']),
    shell(execute, script, inside, ['pipe', 'ignore']),
  );
}

async function copyDirectory(execute: readonly string[], {direction, host, inside}: Copy): Promise<void> {
  if (direction === 'in')
    return between(
      new Child('sh', ['-c', SCRIPTS.readDirectory, 'sh', host], ['ignore', 'pipe']),
      shell(execute, SCRIPTS.writeDirectory, inside, ['pipe', 'ignore']),
    );
  mkdirIfMissing(host);
  return between(
    shell(execute, SCRIPTS.readDirectory, inside, ['ignore', 'pipe']),
    startCollecting(host, 'pipe'),
  );
}

function mkdirIfMissing(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

function shell(
  [program = '', ...words]: readonly string[],
  script: string,
  path: string,
  stdio: ['ignore', 'pipe'] | ['pipe', 'ignore'],
): Child {
  return new Child(program, [...words, 'sh', '-c', script, 'sh', path], stdio);
}

/** Sends what one writes to the other, and waits for both. @throws Unable; Interrupted */
async function between(source: Child, sink: Child): Promise<void> {
  const late = {isOver: false};
  const stop = (): void => {
    source.kill();
    sink.kill();
  };
  const seconds = Number(process.env[TIMEOUT.variable] ?? TIMEOUT.default);
  const timer = setTimeout(() => {
    late.isOver = true;
    stop();
  }, seconds * 1000);
  try {
    // That either went away shows in how it ended.
    const sent = pipeline(source.stdout, sink.stdin).catch(() => source.cutOff());
    const [, ...ends] = await stoppable(Promise.all([sent, source.ended, sink.ended]), interruption, stop);
    if (late.isOver) throw new Unable('timeout', `nothing was copied in full within ${seconds} seconds`);
    check(ends);
  } finally {
    clearTimeout(timer);
  }
}

function check(ends: readonly Ended[]): void {
  // The reason comes last: who writes to one that failed is told of nothing but that.
  const failed = ends.toReversed().find(({code}) => code !== 0);
  if (failed === undefined) return;
  const why = ends.map(({stderr}) => lastLine(stderr)).find((line) => line !== '');
  throw new Unable('copy-failed', why ?? `a program that copies ended with ${failed.code}`);
}
