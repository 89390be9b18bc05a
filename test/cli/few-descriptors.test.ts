/** Limits that are too low for what is to be done: an error in one line, and a store that is as it was. */
import {afterEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {join} from 'node:path';
import {Cli, cleanUp, ON_NODE, type Outcome} from './chrootctl.ts';

afterEach(cleanUp);

const limited = (limit: string) => ['sh', '-c', `ulimit ${limit}; exec "$@"`, 'sh'];

function expectOneLine(words: readonly string[], {stderr}: Outcome): void {
  expect({words, stderr}).toEqual({
    words,
    stderr: expect.stringMatching(/^(?:chrootctl: [^\n]+\n){1,2}(?: {2}[^\n]+\n)?$/),
  });
}

// From less than is needed to start up to what is enough for all.
test.each([12, 20, 24, 27, 30, 33])(
  '%d descriptors',
  async (count) => {
    const cli = new Cli();
    await cli.importRoot();
    await cli.ok('session', 'begin', 'base', '--name', 'work');
    await cli.ok('export', 'base', join(cli.directory, 'root.tar'));
    execFileSync('gzip', ['-k', join(cli.directory, 'root.tar')]);
    const failed: string[] = [];
    for (const words of [
      ['run', '--commit', '-q', 'base', '--', 'touch', '/x'],
      ['exec', 'work', '--', 'true'],
      ['import', join(cli.directory, 'root.tar.gz'), 'other'],
      ['export', 'base', join(cli.directory, 'out.tar.zst')],
      ['diff', 'work'],
      ['ps', '--size'],
      ['session', 'begin', 'base', '--name', 'more'],
      ['tag', 'base', 'mine'],
    ]) {
      const before = await cli.json<unknown[]>('images');
      const outcome = await cli.call(words, {through: limited(`-n ${count}`)});
      if (outcome.code === 0) continue;
      failed.push(words[0] ?? '');
      expectOneLine(words, outcome);
      expect(outcome.stderr).toMatch(/ulimit -n/);
      expect(await cli.json<unknown[]>('images')).toEqual(before);
    }
    // A store keeps its driver for good: it has none for want of descriptors.
    const {driver} = await cli.json<{driver: string}>('info');
    const other = new Cli();
    const made = await other.call(['init'], {through: limited(`-n ${count}`)});
    if (made.code !== 0) expectOneLine(['init'], made);
    expect(await other.json('info')).toMatchObject({driver});
    expect(count > 12 || failed.length > 0).toBe(true);
    // What could not even be taken back, for want of descriptors, is collected like after a death.
    await cli.ok('gc');
    expect(await cli.ok('doctor')).toBe('all is well');
  },
  60_000,
);

test('what only looks at the machine does one thing after the other', async () => {
  const cli = new Cli();
  await cli.importRoot();
  for (const words of [['info'], ['doctor']])
    expect(await cli.call(words, {through: limited('-n 34')})).toMatchObject({code: 0, stderr: ''});
});

test('next to no memory', async () => {
  const cli = new Cli();
  await cli.importRoot();
  for (const words of [['images'], ['run', 'base', '--', 'true']]) {
    const outcome = await cli.call(words, {through: limited('-v 300000'), program: ON_NODE});
    expectOneLine(words, outcome);
    expect([outcome.code, outcome.stderr]).toEqual([
      words[0] === 'run' ? 125 : 1,
      expect.stringMatching(/ulimit -v/),
    ]);
    // What ships has a runtime that cannot even start there. It says so in its own way.
    const shipped = await cli.call(words, {through: limited('-v 300000')});
    expect(shipped.code).not.toBe(0);
    expect(shipped.stderr).toContain('ulimit -v');
  }
});

// With the signal that comes before the error, and with a parent that ignores it.
test.each(['', "trap '' XFSZ; "])('no file may grow%s', async (trap) => {
  const cli = new Cli();
  await cli.importRoot();
  const before = await cli.json<unknown[]>('images');
  const through = ['sh', '-c', `${trap}ulimit -f 0; exec "$@"`, 'sh'];
  for (const words of [
    ['update', 'base', '--', 'true'],
    ['session', 'begin', 'base'],
    ['tag', 'base', 'mine'],
  ]) {
    const outcome = await cli.call(words, {through});
    expectOneLine(words, outcome);
    expect(outcome.stderr).toMatch(/ulimit -f/);
    expect(outcome.stderr).toContain(cli.store);
  }
  expect(await cli.json<unknown[]>('images')).toEqual(before);
  expect(await cli.ok('doctor')).toBe('all is well');
});

test.each(['', "trap '' XFSZ; "])('no file may grow above half a megabyte%s', async (trap) => {
  const cli = new Cli();
  await cli.importRoot();
  const root = join(cli.directory, 'root.tar');
  await cli.ok('export', 'base', root);
  execFileSync('zstd', ['-q', root]);
  const through = ['sh', '-c', `${trap}ulimit -f 1024; exec "$@"`, 'sh'];
  for (const words of [
    ['import', root, 'other'],
    ['import', `${root}.zst`, 'other'],
    ...['out.tar', 'out.tar.zst', 'out.tar.gz', 'out.tar.xz'].map((name) => [
      'export',
      'base',
      join(cli.directory, name),
    ]),
  ]) {
    const outcome = await cli.call(words, {through});
    expectOneLine(words, outcome);
    // What meets a limit is neither a damaged archive nor a full disk.
    expect({words, ...outcome}).toMatchObject({words, code: 1, stderr: expect.stringMatching(/ulimit -f/)});
  }
  expect(await cli.ok('doctor')).toBe('all is well');
});
