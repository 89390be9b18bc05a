/** A store on a file system that is read-only: what only reads works, and all else says so in one line. */
import {afterEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {rmSync} from 'node:fs';
import {join} from 'node:path';
import {Cli, cleanUp} from './chrootctl.ts';
import {contents} from './contents.ts';

afterEach(cleanUp);

/** A store with two versions, a kept session and what a command that was killed has left. */
async function readOnlyStore(driver: string): Promise<{cli: Cli; makeWritable: () => void}> {
  const cli = new Cli({driver});
  await cli.importRoot();
  await cli.ok('run', '--commit', '-q', 'base', '--', 'touch', '/root/second');
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const child = cli.start(['exec', 'work', '--', 'sleep', '1000']);
  for (;;) if (/running/.test(await cli.ok('ps'))) break;
  child.kill('SIGKILL');
  execFileSync('mount', ['--bind', cli.store, cli.store]);
  execFileSync('mount', ['-o', 'remount,ro,bind', cli.store]);
  return {cli, makeWritable: () => execFileSync('mount', ['-o', 'remount,rw,bind', cli.store])};
}

test.each(['overlay', 'directory'])('%s: reading', async (driver) => {
  const {cli, makeWritable} = await readOnlyStore(driver);
  const before = contents(cli.store);
  const tar = join(cli.directory, 'root.tar');
  const first = (await cli.json<{version: string}[]>('images')).at(-1)?.version ?? '';
  for (const words of [
    ['images'],
    ['info'],
    ['inspect', 'base'],
    ['history', 'base'],
    ['ps'],
    ['ps', '--size'],
    ['session', 'path', 'work'],
    ['export', 'base', tar],
    ['prune', '--dry-run'],
    ['gc', '--dry-run'],
    ['init'],
  ]) {
    expect({words, ...(await cli.call(words))}).toMatchObject({words, code: 0});
  }
  expect(await cli.ok('diff', `base@${first}`, 'base')).toContain('A /root/second');
  expect(execFileSync('tar', ['-tf', tar], {encoding: 'utf8'})).toContain('./root/second\n');
  const doctor = await cli.call(['doctor']);
  expect([doctor.code, doctor.stderr]).toEqual([1, '']);
  const run = ['run', '--read-only', 'base', '--'];
  expect(await cli.ok(...run, 'ls', '/root')).toBe('second');
  expect(await cli.ok(...run, 'sh', '-c', 'touch /x 2>/dev/null || cat /etc/hosts')).toContain('localhost');
  expect((await cli.call([...run, 'sh', '-c', 'exit 7'])).code).toBe(7);
  expect(contents(cli.store)).toBe(before);
  makeWritable();
  await cli.ok('gc');
  expect(await cli.ok('doctor')).toBe('all is well');
});

test('what would have to write says that the store is read-only, and leaves it as it is', async () => {
  const {cli} = await readOnlyStore('overlay');
  const before = contents(cli.store);
  for (const words of [
    ['run', 'base', '--', 'true'],
    ['run', '--read-only', '--commit', 'base', '--', 'true'],
    ['update', 'base', '--', 'true'],
    ['session', 'begin', 'base'],
    ['session', 'end', 'work'],
    ['commit', 'work'],
    ['exec', 'work', '--', 'true'],
    ['tag', 'base', 'mine'],
    ['rollback', 'base'],
    ['rm', '--force', 'base'],
    ['prune'],
    ['import', '/usr/share/doc', 'other'],
  ]) {
    const {code, stderr} = await cli.call(words);
    expect({words, code, stderr}).toEqual({
      words,
      code: ['run', 'exec'].includes(words[0] ?? '') ? 125 : 6,
      stderr: expect.stringMatching(/^chrootctl: .*read-only[^\n]*\n {2}[^\n]+\n$/),
    });
  }
  expect(contents(cli.store)).toBe(before);
});

test('without lock files, too', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  rmSync(join(cli.store, 'locks/image-base.lock'));
  rmSync(join(cli.store, 'volumes/.lock'));
  execFileSync('mount', ['--bind', cli.store, cli.store]);
  execFileSync('mount', ['-o', 'remount,ro,bind', cli.store]);
  for (const words of [['doctor'], ['prune', '--dry-run'], ['info']])
    expect({words, ...(await cli.call(words))}).toMatchObject({words, code: 0});
});
