/** Commits that fail for something else than a conflict: the work is kept, and it is said how to commit it. */
import {afterEach, beforeEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {join} from 'node:path';
import {failing, failingAll} from '../faults/calls.ts';
import {Cli, cleanUp} from './chrootctl.ts';

let cli: Cli;

beforeEach(async () => {
  cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
});
afterEach(cleanUp);

const WORK = ['--', 'sh', '-c', 'echo work >/root/work'];

/** Runs the line that an error gives for committing the work. */
async function commitAsTold(stderr: string): Promise<void> {
  const [, line = ''] = /commit it: chrootctl (.*)$/m.exec(stderr) ?? [];
  const words = line.match(/'[^']*'|\S+/g) ?? [];
  await cli.ok(...words.map((word) => word.replaceAll("'", '')));
}

test.each([
  ['a version that cannot be recorded', 'rename store/images/base/versions/VERSION.json.tmp', 'EIO'],
  ['tags that cannot be written', 'writeFile store/images/base/refs.json.tmp', 'ENOSPC'],
  ['a volume that cannot be frozen', 'fsync store/volumes/VOLUME/volume.json.tmp', 'EIO'],
] as const)('%s: the work waits in a session', async (_, name, errno) => {
  for (const [words, message] of [
    [['run', 'base', '--commit=1.0', '-m', 'my work'], 'my work'],
    [['update', 'base', '--bump', 'minor'], WORK.slice(1).join(' ')],
    [['run', 'base', '--name', 'mine', '--commit'], WORK.slice(1).join(' ')],
  ] as const) {
    const before = await cli.json<unknown[]>('images');
    const env = failing(cli.directory, {name, occurrence: 1}, errno);
    const {stderr} = await cli.call([...words, ...WORK], {env});
    const [{id} = {id: ''}] = await cli.json<{id: string}[]>('ps');
    expect(stderr).toMatch(new RegExp(`^chrootctl: not committed: .+; session ${id} keeps the work\n`));
    expect(await cli.json('images')).toEqual(before);
    expect(await cli.ok('exec', id, '--', 'cat', '/root/work')).toBe('work');
    await commitAsTold(stderr);
    expect(await cli.ok('run', 'base', '--', 'cat', '/root/work')).toBe('work');
    expect(await cli.json('history', 'base')).toEqual(
      expect.arrayContaining([expect.objectContaining({action: 'commit', message})]),
    );
    await cli.ok('session', 'rm', id);
  }
  expect(await cli.ok('doctor')).toBe('all is well');
});

test('where no session can be made of it either, it is said where it is, and it is there', async () => {
  const env = failingAll(cli.directory, [
    {name: 'rename store/images/base/versions/VERSION.json.tmp', occurrence: 1, errno: 'EIO'},
    {name: 'fsync store/sessions/SESSION.json.tmp', occurrence: 0, errno: 'EIO'},
  ]);
  const {code, stderr} = await cli.call(['run', 'base', '--commit', ...WORK], {env});
  const [, volume = '?'] = /the work is in volume (\w+) of/.exec(stderr) ?? [];
  expect([code, stderr]).toEqual([125, expect.stringContaining('no session could be made of it')]);
  expect(execFileSync('cat', [join(cli.store, 'volumes', volume, 'fs/root/work')], {encoding: 'utf8'})).toBe(
    'work\n',
  );
});
