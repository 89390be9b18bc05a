/** Names and paths of all kinds, as they come from users, from the host and from inside of roots. */
import {describe, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {describe as describeTree, plantCanary} from '../archive/trees.ts';
import {Cli, busyboxRoot} from './chrootctl.ts';
import {contents} from './contents.ts';
import {DRIVERS} from './drivers.ts';

/** What separates mount options and the layers of an overlay, what a shell takes apart, and what mountinfo escapes. */
const ODD = [
  'lower:dir,upperdir=x\\',
  '$(touch x) `y` "\' ;&|',
  'two\nlines\ttab #',
  '--version',
  'ünï\\040',
];

describe.each(DRIVERS)('a store with an odd path, on %s', (driver) => {
  test.each(ODD)('%j', async (name) => {
    const cli = new Cli({driver});
    const room = join(dirname(cli.store), name);
    const volume = join(cli.directory, `${name}:volume`.replaceAll(':', ''));
    mkdirSync(volume);
    writeFileSync(join(volume, 'given'), 'given');
    const archive = join(cli.directory, `${name}.tar`);
    const odd = (...words: string[]): Promise<string> => cli.ok('--root', join(room, 'store'), ...words);
    await odd('import', busyboxRoot(), 'base');
    await odd('run', 'base', '--commit', '-v', `${volume}:/mnt`, '--', 'sh', '-c', 'cat /mnt/given > /kept');
    expect(
      await odd('run', 'base', '-e', `NAME=${name}`, '--', 'sh', '-c', 'cat /kept; printf %s "$NAME"'),
    ).toBe(`given${name}`);
    await odd('session', 'begin', 'base', '--name', 'work');
    await odd('exec', 'work', '-w', '/tmp', '--', 'touch', `/${name}`);
    expect(existsSync(join(await odd('session', 'path', 'work'), name))).toBe(true);
    expect(JSON.parse(await odd('diff', 'work', '--json'))).toContainEqual(
      expect.objectContaining({path: expect.stringContaining(name)}),
    );
    await odd('session', 'end', 'work', '--commit');
    await odd('export', 'base', archive);
    await odd('import', archive, 'again');
    expect(await odd('run', 'again', '--', 'cat', '/kept')).toBe('given');
    await odd('rm', '--force', 'again');
    expect(await odd('doctor')).toBe('all is well');
    expect(execFileSync('ls', ['-A', dirname(cli.store)], {encoding: 'utf8'})).not.toMatch(/^[xy]$/m);
  });
});

test('what is no name changes nothing, wherever one is expected', async () => {
  const cli = new Cli();
  await cli.importRoot('base');
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const before = contents(cli.store);
  const names = [
    '..',
    '../../etc',
    'a/../b',
    '/etc',
    '.hidden',
    '-x',
    'a b',
    'a\nb',
    'A',
    'é',
    '$(x)',
    '',
    'x'.repeat(300),
  ];
  for (const name of names) {
    for (const words of [
      ['import', busyboxRoot(), name],
      ['run', name, '--', 'true'],
      ['run', `base@${name}`, '--', 'true'],
      ['run', 'base', '--name', name, '--', 'true'],
      ['run', 'base', `--commit=${name}`, '--', 'true'],
      ['session', 'begin', name],
      ['session', 'begin', 'base', `--name=${name}`],
      ['session', 'rm', `--`, name],
      ['exec', name, '--', 'true'],
      ['commit', 'work', name],
      ['tag', 'base', name],
      ['rm', '--force', '--', name],
      ['inspect', name],
      ['export', name, 'x.tar'],
    ]) {
      // Without a value it is as if there were none. A capital letter is as good as any in a tag and in a session's name, and a space in a range.
      if (['A', 'a b', 'x'.repeat(300), ''].includes(name) && words[0] !== 'import') continue;
      const {code, stderr} = await cli.call(words);
      expect({words, isRefused: code === 2 || code === 3, stderr}).toEqual({
        words,
        isRefused: true,
        stderr: expect.stringMatching(/^chrootctl: .+\n/),
      });
    }
  }
  expect(contents(cli.store)).toBe(before);
}, 300_000);

/** Where chrootctl itself mounts, reads or makes something in a root. */
const MOUNTED = ['proc', 'sys', 'dev'];
const LOOKED_AT = ['etc/resolv.conf', 'etc/hosts', 'etc/passwd', 'etc/group', 'work', 'mnt'];

test.each([
  {what: 'directories', kind: 'absolute', paths: LOOKED_AT},
  {what: 'directories', kind: 'climbing', paths: LOOKED_AT},
  {what: 'mount points', kind: 'absolute', paths: MOUNTED},
  {what: 'mount points', kind: 'climbing', paths: MOUNTED},
])('a root whose files and $what are $kind links to the host', async ({kind, paths}) => {
  const cli = new Cli();
  const outside = join(cli.directory, 'outside');
  mkdirSync(outside);
  const canary = plantCanary(outside);
  for (const path of paths) mkdirSync(join(canary, path), {recursive: true});
  for (const path of paths.filter((path) => path.startsWith('etc/'))) {
    rmSync(join(canary, path), {recursive: true});
    writeFileSync(join(canary, path), 'ann:x:4711:4711::/:/bin/sh\n');
  }
  const untouched = describeTree(canary);
  const root = busyboxRoot();
  for (const path of paths) {
    rmSync(join(root, path), {recursive: true, force: true});
    mkdirSync(dirname(join(root, path)), {recursive: true});
    symlinkSync((kind === 'absolute' ? '' : '../'.repeat(40)) + join(canary, path), join(root, path));
  }
  await cli.ok('import', root, 'base');
  const volume = join(cli.directory, 'volume');
  mkdirSync(volume);
  expect((await cli.call(['run', 'base', '--', 'true'])).code).toBe(paths === MOUNTED ? 125 : 0);
  const calls = [
    ['run', 'base', '--network', 'none', '--', 'true'],
    ['run', 'base', '-u', 'ann', '--', 'true'],
    ['run', 'base', '-u', '1000', '--', 'true'],
    ['run', 'base', '-w', '/work', '--', 'touch', 'here'],
    ['run', 'base', '-v', `${volume}:/mnt`, '--', 'touch', '/mnt/here'],
    ['run', 'base', '-v', `${volume}:/mnt/new/deep`, '--', 'touch', '/mnt/new/deep/here'],
    ['run', 'base', '--commit', '-v', `${volume}:/work/new`, '--', 'touch', '/tmp/here'],
    ['update', 'base', '--', 'touch', '/work/here'],
    ['session', 'begin', 'base', '--name', 'kept'],
    ['exec', 'kept', '-v', `${volume}:/mnt/other`, '--', 'touch', '/mnt/other/here'],
    ['commit', 'kept'],
    ['diff', 'kept'],
    ['export', 'base', 'base.tar'],
    ['session', 'end', 'kept'],
    ['rm', '--force', 'base'],
    ['gc'],
  ];
  for (const words of calls) {
    const {code, stderr} = await cli.call(words);
    // Done inside, or refused in words; nothing that nobody foresaw.
    if (code !== 0)
      expect({words, stderr}).toEqual({words, stderr: expect.stringMatching(/^(chrootctl|touch): \S.*\n/)});
    expect({words, outside: describeTree(canary)}).toEqual({words, outside: untouched});
  }
  expect(await cli.ok('doctor')).toBe('all is well');
});
