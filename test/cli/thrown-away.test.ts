/** What is said, and asked, when a session is thrown away that holds what is in no version. */
import {describe, expect, test} from '@jest/globals';
import {rmSync} from 'node:fs';
import {join} from 'node:path';
import {Store} from '../../src/store/store.ts';
import {ENDED} from '../terminal.ts';
import {Cli} from './chrootctl.ts';
import {DRIVERS} from './drivers.ts';

async function sessionWith(cli: Cli, script: string, name = 'work'): Promise<void> {
  await cli.ok('session', 'begin', 'base', '--name', name);
  await cli.ok('exec', name, '--', 'sh', '-c', script);
}

const MANY = 'mkdir /many; i=0; while [ $i -lt 150 ]; do echo > /many/$i; i=$((i+1)); done';

describe.each(DRIVERS)('on %s, the end of a session', (driver) => {
  test('says what is thrown away with it', async () => {
    const cli = new Cli({driver});
    await cli.importRoot();
    await sessionWith(cli, 'echo hi > /etc/motd; echo > /etc/motd2; rm /etc/os-release; chmod 700 /tmp');
    const said = 'thrown away: 2 added, 1 changed, 1 deleted (e.g. /etc/motd)\n';
    expect(await cli.call(['session', 'end', 'work'])).toEqual({code: 0, stdout: '', stderr: said});
    await sessionWith(cli, MANY);
    expect(await cli.call(['session', 'rm', 'work'])).toEqual({
      code: 0,
      stdout: 'work\n',
      stderr: 'thrown away: 151 added (e.g. /many)\n',
    });
  });

  test('knows what has been committed, wherever that was', async () => {
    const cli = new Cli({driver});
    await cli.importRoot();
    await sessionWith(cli, 'touch /saved');
    await cli.ok('commit', 'work', 'other');
    expect((await cli.call(['session', 'end', 'work'])).stderr).toBe('');

    // While something runs in it, too.
    await cli.ok('session', 'begin', 'base', '--name', 'busy');
    const child = cli.start(['exec', 'busy', '--', 'sh', '-c', 'touch /saved; echo ready; cat']);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    await cli.ok('commit', 'busy', 'third');
    child.stdin?.end();
    await new Promise((resolve) => child.once('close', resolve));
    await cli.ok('exec', 'busy', '--', 'touch', '/lost');
    expect((await cli.call(['session', 'end', 'busy'])).stderr).toBe('thrown away: 1 added (/lost)\n');

    // What was committed is gone again.
    await sessionWith(cli, 'touch /saved');
    await cli.ok('commit', 'work', 'fourth');
    await cli.ok('rm', '--force', 'fourth');
    expect((await cli.call(['session', 'end', 'work'])).stderr).toBe('thrown away: 1 added (/saved)\n');
  });
});

test('the end of a session says nothing more than it is to', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  for (const name of ['one', 'two', 'three']) await sessionWith(cli, 'touch /one', name);
  await sessionWith(cli, 'true', 'idle');
  expect(await cli.call(['session', 'rm', 'one', 'idle', 'two'])).toEqual({
    code: 0,
    stdout: 'one\nidle\ntwo\n',
    stderr: 'one: thrown away: 1 added (/one)\ntwo: thrown away: 1 added (/one)\n',
  });
  const json = await cli.call(['session', 'end', 'three', '--json']);
  expect([json.stderr, JSON.parse(json.stdout)]).toEqual([
    '',
    {
      id: 'three',
      ended: true,
      thrownAway: {added: 1, changed: 0, deleted: 0, complete: true, example: '/one'},
    },
  ]);
  await sessionWith(cli, 'touch /one');
  expect(await cli.call(['session', 'rm', '-q', 'work'])).toEqual({code: 0, stdout: 'work\n', stderr: ''});
  await sessionWith(cli, 'touch /one');
  expect((await cli.call(['session', 'end', 'work', '--commit'])).stderr).toBe('');
});

test('a session whose changes cannot be told is ended all the same', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  await sessionWith(cli, 'touch /one');
  const {volume} = (await Store.open({root: cli.store})).sessions.get('work');
  rmSync(join(cli.store, 'volumes', volume, 'volume.json'));
  const {code, stderr} = await cli.call(['session', 'rm', 'work']);
  expect([code, stderr]).toEqual([
    0,
    `thrown away: what was in it cannot be told (the record of volume ${volume} is damaged)\n`,
  ]);
  expect(await cli.json('ps')).toEqual([]);
});

describe('at a terminal', () => {
  test('a person is asked before much is thrown away, and a script is not', async () => {
    const cli = new Cli({driver: 'overlay'});
    await cli.importRoot();
    const terminal = cli.terminal();
    const question =
      /^session (\w+) holds what is in no version: 151 added \(e\.g\. \/many\)\. Throw it away\? \[y\/N\]/m;
    const call = async (words: string, answer: readonly string[]): Promise<string> => {
      await terminal.start(`chrootctl ${words}`);
      if (answer.length > 0) {
        await terminal.shows(question);
        terminal.type(...answer);
      }
      return terminal.shows(ENDED);
    };
    await sessionWith(cli, MANY);
    expect(await call('session end work', ['Enter'])).toMatch(
      /\[y\/N\]\nchrootctl: session work is left as it is\n {2}chrootctl diff work shows .+\nended 1$/m,
    );
    expect(await call('session rm work', ['no', 'Enter'])).toMatch(/^ended 1$/m);
    expect(await call('session rm -q work', ['C-c'])).toMatch(/interrupted by SIGINT\n.*\nended 130$/m);
    expect(await call('session rm work', ['C-d'])).toMatch(/^ended 1$/m);
    expect(await cli.ok('exec', 'work', '--', 'ls', '/many/149')).toBe('/many/149');
    expect(await call('session end work', ['y', 'Enter'])).toMatch(
      /\[y\/N\] y\nthrown away: 151 added \(e\.g\. \/many\)\nended 0$/m,
    );

    await sessionWith(cli, 'touch /one', 'few');
    expect(await call('session end few', [])).toMatch(/^thrown away: 1 added \(\/one\)\nended 0$/m);
    await sessionWith(cli, MANY, 'forced');
    expect(await call('session end --force forced', [])).toMatch(/^thrown away: 151 .+\nended 0$/m);
    await sessionWith(cli, MANY, 'killed');
    expect(await call('session rm --force killed', [])).toMatch(/^killed\nthrown|^thrown/m);
    for (const name of ['scripted', 'piped']) await sessionWith(cli, MANY, name);
    expect(await call('session end scripted < /dev/null', [])).toMatch(/^ended 0$/m);
    expect(await call('session rm piped | cat', [])).toMatch(/^ended 0$/m);
    expect(await cli.json('ps')).toEqual([]);
  });
});
