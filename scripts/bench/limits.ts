import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {mkdirSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {busyboxRoot} from '../../test/cli/chrootctl.ts';
import type {Command} from './case.ts';
import {installPackages} from './peers/packages.ts';
import {call, failure, footprintOf} from './processes.ts';
import {callChrootctl, chrootctl} from './programs.ts';
import {number} from './report.ts';
import type {Ground, Section, SectionMaker} from './section.ts';
import {addEarlierVersions, addFiles, openStore} from '../../test/cli/stores.ts';

/** What there is much of, and in a quick benchmark. */
const SESSIONS = {many: 1_000, quick: 50};
const VERSIONS = {many: 10_000, quick: 1_000};
const FILES = {many: 1_000_000, quick: 20_000};
const FEW_FILES = 1_000;
const AT_ONCE = 64;

/** How far it goes: what takes how long, and how much memory, when there is very much of something. */
export const limits: SectionMaker = async (ground): Promise<Section> => {
  installPackages(['time']);
  const rows = [
    ...manySessions(ground),
    ...(await manyVersions(ground)),
    ...manyFiles(ground, FEW_FILES),
    ...manyFiles(ground, amountOf(FILES, ground)),
    ...(await manyAtOnce(ground)),
  ];
  return {
    title: 'Limits',
    about:
      'One measurement each, of the whole command. Memory is that of its largest process (maximum resident set, ' +
      'chrootctl or a helper such as tar); an empty Node program has 42 MB. Files are of up to 70 bytes.',
    rounds: 0,
    cases: [],
    comparisons: [],
    table: {head: ['', 'seconds', 'memory, MB'], rows},
  };
};

function manySessions(ground: Ground): string[][] {
  const count = amountOf(SESSIONS, ground);
  const root = join(ground.directory, 'sessions');
  callChrootctl(root, 'import', busyboxRoot(), 'base');
  const names = Array.from({length: count}, (_, index) => `session-${index}`);
  const last = names.at(-1) ?? '';
  const kept = `${inWords(count)} kept sessions`;
  const each = (what: string, command: (name: string) => Command): string[] => {
    const begin = performance.now();
    for (const name of names) call(command(name));
    return [`${what}, each of ${kept}`, ((performance.now() - begin) / 1000 / count).toFixed(2), ''];
  };
  return [
    each('session begin', (name) => chrootctl(root, 'session', 'begin', 'base', '--name', name)),
    row(`run, beside ${kept}`, chrootctl(root, 'run', 'base', '--', 'true')),
    row(`exec, beside ${kept}`, chrootctl(root, 'exec', last, '--', 'true')),
    row(`ps, ${kept}`, chrootctl(root, 'ps')),
    row(`doctor, ${kept}`, chrootctl(root, 'doctor')),
    each('session end', (name) => chrootctl(root, 'session', 'end', name)),
  ];
}

async function manyVersions(ground: Ground): Promise<string[][]> {
  const count = amountOf(VERSIONS, ground);
  const root = join(ground.directory, 'versions');
  callChrootctl(root, 'import', busyboxRoot(), 'base');
  addEarlierVersions(await openStore(root), 'base', count - 1);
  const present = `${inWords(count)} versions`;
  return [
    row(`images, ${present}`, chrootctl(root, 'images')),
    row(`history, ${present}`, chrootctl(root, 'history', 'base')),
    row(`run, ${present}`, chrootctl(root, 'run', 'base', '--', 'true')),
    row(`doctor, ${present}`, chrootctl(root, 'doctor')),
    row(`prune of ${present}, one in ten has a tag`, chrootctl(root, 'prune')),
  ];
}

function manyFiles({directory}: Ground, count: number): string[][] {
  const root = join(directory, `files-${count}`);
  const first = callChrootctl(root, 'import', busyboxRoot(), 'base');
  callChrootctl(root, 'session', 'begin', 'base', '--name', 'full');
  addFiles(callChrootctl(root, 'session', 'path', 'full'), count);
  const files = `${inWords(count)} files`;
  const tar = join(directory, `${count}.tar`);
  const rows = [
    row(`commit of ${files}`, chrootctl(root, 'commit', 'full')),
    row(`diff of ${files}`, chrootctl(root, 'diff', `base@${first}`, 'base')),
    row(`export of ${files}`, chrootctl(root, 'export', 'base', tar)),
    row(`import of ${files}`, chrootctl(root, 'import', tar, 'again')),
    row(`session end, ${files}`, chrootctl(root, 'session', 'end', 'full')),
    row(`rm of ${files}`, chrootctl(root, 'rm', '--force', 'again')),
  ];
  rmSync(tar);
  return rows;
}

/** They hold still when all have begun, so that what they have together can be counted. */
async function manyAtOnce({directory}: Ground): Promise<string[][]> {
  const root = join(directory, 'at-once');
  callChrootctl(root, 'import', busyboxRoot(), 'base');
  const flags = join(directory, 'flags');
  mkdirSync(flags);
  // Each tells by a file that its command has begun, and ends when it finds another.
  const script = ': >/mnt/$0; until [ -e /mnt/end ]; do sleep 0.1; done';
  const begin = performance.now();
  const runs = Array.from({length: AT_ONCE}, (_, index) => {
    const command = chrootctl(
      root,
      'run',
      'base',
      '-v',
      `${flags}:/mnt`,
      '--',
      'sh',
      '-c',
      script,
      `${index}`,
    );
    const [file = '', ...args] = command.words;
    return spawn(file, args, {stdio: ['ignore', 'ignore', 'inherit'], env: {...process.env, ...command.env}});
  });
  while (readdirSync(flags).length < AT_ONCE) {
    await sleep(20);
    if (runs.some(({exitCode}) => exitCode !== null)) throw new Error('a run ended before all had begun');
  }
  const middle = performance.now();
  const {memory, processes} = footprintOf(flags);
  const ended = runs.map((child) => once(child, 'exit'));
  const end = performance.now();
  writeFileSync(join(flags, 'end'), '');
  await Promise.all(ended);
  return [
    [
      `${AT_ONCE} runs at once, until all commands have begun; memory of the ${processes} processes together`,
      ((middle - begin) / 1000).toFixed(2),
      number(memory / 2 ** 20),
    ],
    ['the same, until all have ended', ((performance.now() - end) / 1000).toFixed(2), ''],
  ];
}

/** What GNU time tells of one call. */
function row(what: string, {words, env}: Command): string[] {
  const {status, stderr} = spawnSync('time', ['--format', '%e %M', ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {...process.env, ...env},
  });
  if (status !== 0) throw new Error(failure(words.join(' '), status, stderr));
  const [seconds, kilobytes] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
  return [what, (seconds ?? NaN).toFixed(2), number((kilobytes ?? NaN) / 1024)];
}

function amountOf({many, quick}: {many: number; quick: number}, {isQuick}: Ground): number {
  return isQuick ? quick : many;
}

function inWords(count: number): string {
  return count.toLocaleString('en');
}
