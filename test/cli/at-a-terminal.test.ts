/** What is different when a person sits at a terminal: nothing is written over the screen, and no work is lost. */
import {describe, expect, test} from '@jest/globals';
import {join} from 'node:path';
import {Cli, copyWithCall} from './chrootctl.ts';
import {DRIVERS} from './drivers.ts';

describe('an archive', () => {
  test.each(['-', '/dev/tty', '/dev/stdout'])('is not written to a terminal: %s', async (file) => {
    const cli = new Cli({driver: 'overlay'});
    await cli.importRoot();
    const terminal = cli.terminal();
    // Before anything is looked at, be there such a version or not.
    const reference = file === '-' ? 'nothing' : 'base';
    expect(await terminal.run(`chrootctl export ${reference} ${file}`)).toMatch(
      /^chrootctl: .+ is a terminal, and an archive is no text\n {2}give the name of a FILE, .+\nended 2$/m,
    );
    expect(await terminal.run('chrootctl export base - | wc -c; chrootctl export base - > base.tar')).toMatch(
      /^\d{6,}\nended 0$/m,
    );
  });
});

describe.each(DRIVERS)('on %s, work that a command has done before it failed', (driver) => {
  // It is the same code that does it for both.
  test.each(
    driver === 'overlay'
      ? [
          ['run base --commit=1.0', 'commit SESSION base:1.0'],
          ['update base --bump minor', 'commit SESSION --bump minor'],
        ]
      : [['run base --commit', 'commit SESSION']],
  )('is kept by %s, with the ways on', async (words, commit) => {
    const cli = new Cli({driver});
    await cli.importRoot();
    const terminal = cli.terminal();
    await terminal.start(`chrootctl ${words} -q -e "PS1=inside> " -- sh`);
    await terminal.shows(/^inside>$/m);
    terminal.type('echo mine > /work; false', 'Enter', 'exit', 'Enter');
    const screen = await terminal.shows(/^ended 1$/m);
    const session =
      /^not committed: the command ended with 1; session (\w+) keeps the work$/m.exec(screen)?.[1] ?? '';
    expect(await cli.json('ps')).toMatchObject([
      {id: session, image: 'base', state: 'idle', ephemeral: false},
    ]);
    // Each of them can be typed as it stands there.
    const ways = [...screen.matchAll(/\(chrootctl ([^)]+)\)/g)].map(([, way = '']) => way.split(' '));
    expect(ways.map((way) => way.join(' ').replace(session, 'SESSION'))).toEqual([
      commit,
      'diff SESSION',
      'exec SESSION',
      'session rm SESSION',
    ]);
    const [committing = [], looking = [], goingOn = [], throwing = []] = ways;
    expect(await cli.json(...looking)).toEqual([{path: '/work', kind: 'added'}]);
    await cli.ok(...goingOn, '--', 'sh', '-c', 'cat /work; echo more > /more');
    const {tags} = await cli.json<{tags: string[]}>(...committing);
    expect(tags).toContain('latest');
    expect(await cli.ok('run', 'base', '--', 'cat', '/work', '/more')).toBe('mine\nmore');
    await cli.ok(...throwing);
    expect(await cli.ok('doctor')).toBe('all is well');
  });

  test('is not there when it has changed nothing, and is thrown away when nobody sees it', async () => {
    const cli = new Cli({driver});
    await cli.importRoot();
    const terminal = cli.terminal();
    expect(await terminal.run('chrootctl run base --commit -- sh -c "cat /work"')).toMatch(
      /^not committed: the command ended with 1; it has changed nothing\nended 1$/m,
    );
    const redirected = 'chrootctl run base --commit -- sh -c "touch /work; exit 3" < /dev/null';
    expect(await terminal.run(redirected)).toMatch(/^not committed: the command ended with 3\nended 3$/m);
    expect(await cli.json('ps')).toEqual([]);
  });

  test('is in no version, and its end says so', async () => {
    const cli = new Cli({driver});
    await cli.importRoot();
    // It was done well before the session went on in a clone of it.
    const kept = 'chrootctl run base --commit -- sh -c "touch /work; sleep 0.3; exit 3"';
    const [, session = ''] = /session (\w+) keeps/.exec(await cli.terminal().run(kept)) ?? [];
    expect((await cli.call(['session', 'rm', session])).stderr).toBe('thrown away: 1 added (/work)\n');
  });
});

test.each([
  [
    'hangups that come meanwhile',
    'kill -HUP $PPID; sleep 0.1; kill -HUP $PPID; sleep 0.1; exec "$supervisor" "$@"',
    'not committed',
  ],
  [
    'a disk that does not take it',
    'echo no >&2; exit 1',
    'keeps the work, but not safely: cannot sync the file system: no',
  ],
])('work that is kept outlives %s', async (_what, syncing, said) => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  const programs = copyWithCall(join(cli.directory, 'programs'), 'sync', syncing);
  const terminal = cli.terminal();
  const run = 'chrootctl run base --commit -- sh -c "echo mine > /work; exit 3"';
  const screen = await terminal.run(`PATH=${programs}:$PATH ${run}`);
  expect(screen).toContain(said);
  const [, session = ''] = /session (\w+) keeps the work/.exec(screen) ?? [];
  expect(await cli.json('diff', session)).toEqual([{path: '/work', kind: 'added'}]);
  expect(await cli.ok('exec', session, '--', 'cat', '/work')).toBe('mine');
  await cli.ok('commit', session);
  await cli.ok('session', 'end', session);
  expect(await cli.ok('run', 'base', '--', 'cat', '/work')).toBe('mine');
  expect(await cli.ok('doctor')).toBe('all is well');
});

test('a terminal that is closed takes no work with it', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  const terminal = cli.terminal();
  await terminal.start('chrootctl run base --commit -e "PS1=inside> " -- sh');
  await terminal.shows(/^inside>$/m);
  // Whether its shell dies of the hangup or of the end of its input, that is no success.
  terminal.type('echo mine > /work; echo do""ne; false', 'Enter');
  await terminal.shows(/^done$/m);
  terminal.close();
  const sessions = (): Promise<{id: string; state: string}[]> => cli.json('ps');
  while ((await sessions()).some(({state}) => state === 'running'))
    await new Promise((go) => setTimeout(go, 50));
  const [session, ...others] = await sessions();
  expect(others).toEqual([]);
  expect(await cli.ok('exec', session?.id ?? '', '--', 'cat', '/work')).toBe('mine');
  expect(await cli.ok('doctor')).toBe('all is well');
});

test('a user in a kept session has a terminal of his own', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const terminal = cli.terminal();
  await terminal.start(
    "chrootctl exec -u 1 work -- sh -c 'test -w /dev/pts/0 && read line && echo got $line; exit 4'",
  );
  terminal.type('typed', 'Enter');
  expect(await terminal.shows(/^ended 4$/m)).toMatch(/^got typed\nended 4$/m);
});
