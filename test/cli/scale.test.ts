/**
 * Sizes that must not matter: how much a store holds, for a run; how many files a root has, for a commit. Without a
 * clock: system calls, names and bytes are counted, which come out the same on any machine. `npm run bench` tells what they cost.
 */
import {expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {addEarlierVersions, addFiles, addImages, addSessions, addVersion, openStore} from './stores.ts';
import {busyboxRoot, Cli} from './chrootctl.ts';
import {fileWork, looksAtMounts, programsStarted, recordsOpened} from './traced.ts';

/**
 * Looking again whether the last process of a mount namespace has gone is a little more, for each process of the machine; so
 * is a longer list of tags.
 */
const SLACK = 600;

const COMMAND = ['--', 'touch', '/new'];

interface Counts {
  run: number;
  runAndCommit: number;
  commit: number;
  /** One that does look at everything, which shows that the count would tell. */
  thorough: number;
}

async function counts(cli: Cli, thorough: readonly string[]): Promise<Counts> {
  // The first run of a store copies the programs that lead to the command.
  await cli.ok('run', 'base', '--', 'true');
  const run = fileWork(cli, 'run', 'base', ...COMMAND);
  const runAndCommit = fileWork(cli, 'run', 'base', '--commit', ...COMMAND);
  await cli.ok('session', 'begin', 'base', '--name', 'kept');
  writeFileSync(join(await cli.ok('session', 'path', 'kept'), 'newer'), '');
  const commit = fileWork(cli, 'commit', 'kept');
  return {run, runAndCommit, commit, thorough: fileWork(cli, ...thorough)};
}

function expectTheSame(many: Counts, few: Counts): void {
  expect(many.run).toBeLessThanOrEqual(few.run + SLACK);
  expect(many.runAndCommit).toBeLessThanOrEqual(few.runAndCommit + SLACK);
  expect(many.commit).toBeLessThanOrEqual(few.commit + SLACK);
}

test('a run and a commit ask the same of a store with 3 and with 1,000 versions, images and sessions', async () => {
  async function countsWith(size: number): Promise<Counts> {
    const cli = new Cli({driver: 'overlay'});
    await cli.importRoot();
    const store = await openStore(cli.store);
    addEarlierVersions(store, 'base', size);
    addImages(store, size);
    addSessions(store, 'base', size);
    return counts(cli, ['images', '--json']);
  }
  const [few, many] = [await countsWith(3), await countsWith(1_000)];
  expectTheSame(many, few);
  expect(many.thorough).toBeGreaterThan(few.thorough + 1_000);
});

test.each([[], ['--json']])('a listing reads the record of each version once (%j)', async (...flags) => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  const store = await openStore(cli.store);
  addEarlierVersions(store, 'base', 40);
  addImages(store, 3);
  const opened = recordsOpened(cli, 'images', ...flags);
  expect(opened.length).toBeGreaterThan(40);
  expect(new Set(opened).size).toBe(opened.length);
});

test('a run and a commit ask the same of a root of 100 and of 20,000 files', async () => {
  const busybox = busyboxRoot();
  async function countsWith(files: number): Promise<Counts> {
    const cli = new Cli({driver: 'overlay'});
    await addVersion(await openStore(cli.store), 'base', (layer) => {
      execFileSync('cp', ['-a', `${busybox}/.`, layer]);
      addFiles(layer, files);
    });
    return counts(cli, ['export', 'base', join(cli.directory, 'out.tar')]);
  }
  const [few, many] = [await countsWith(100), await countsWith(20_000)];
  expectTheSame(many, few);
  expect(many.thorough).toBeGreaterThan(few.thorough + 19_000);
});

test('a run and a command in a session look at the mounts as often beside 3 mounted sessions as beside 30', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  const begin = (from: number, to: number): Promise<unknown> =>
    Promise.all(
      Array.from({length: to - from}, (_, index) =>
        cli.ok('session', 'begin', 'base', '--name', `beside-${from + index}`),
      ),
    );
  const looks = (): number[] => [
    looksAtMounts(cli, 'run', 'base', '--', 'true'),
    looksAtMounts(cli, 'exec', 'beside-0', '--', 'true'),
    looksAtMounts(cli, 'exec', '--hostname', 'own', 'beside-0', '--', 'true'),
  ];
  await begin(0, 3);
  // Who traces all that is started would wait for the session's sandbox, too.
  await cli.ok('exec', 'beside-0', '--', 'true');
  const few = looks();
  await begin(3, 30);
  const many = looks();
  expect(many).toEqual(few);
  // The commands did not keep them from ending, either.
  for (let index = 0; index < 30; index++) await cli.ok('session', 'end', `beside-${index}`);
  expect(await cli.ok('doctor')).toBe('all is well');
});

test('a diff starts as few programs in a deep history as in a short one', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  const started = (from: string): string[] => programsStarted(cli, 'diff', from, 'base').sort();
  await cli.ok('run', '--commit', 'base', '--', 'touch', '/0');
  const [first = ''] = (await cli.json<{version: string}[]>('images', 'base'))
    .map(({version}) => version)
    .reverse();
  const few = started(`base@${first}`);
  expect(few).toContain('getfattr');
  for (let round = 1; round < 6; round++) await cli.ok('run', '--commit', 'base', '--', 'touch', `/${round}`);
  expect(started(`base@${first}`)).toEqual(few);
}, 120_000);
