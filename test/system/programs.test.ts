import {afterEach, expect, test} from '@jest/globals';
import {text} from 'node:stream/consumers';
import {Child} from '../../src/system/child.ts';
import {attempt, environment, runAtOnce, start, systemPath} from '../../src/system/programs.ts';

const before = {...process.env};

afterEach(() => {
  process.env = {...before};
});

/** What changes what programs do, or say. */
const HOSTILE = {
  TAR_OPTIONS: '--exclude=*',
  XZ_OPT: '-9e',
  POSIXLY_CORRECT: '1',
  LANGUAGE: 'de',
  LC_MESSAGES: 'de_DE.UTF-8',
  LD_PRELOAD: '/nonexistent.so',
  PERL5OPT: '-MNoSuchModule',
  BASH_ENV: '/nonexistent',
};

test('whichever way a program is started, it is told the same and nothing of our caller', async () => {
  Object.assign(process.env, HOSTILE);
  const shown = async (stdout: Promise<string> | string): Promise<string[]> =>
    (await stdout).trimEnd().split('\n').sort();
  const child = new Child('env', [], ['ignore', 'pipe']);
  const streamed = text(child.stdout);
  const all = [
    await shown((await attempt('env', [])).stdout),
    await shown(text(start('env', [], {stdio: ['ignore', 'pipe', 'pipe']}).stdout)),
    await shown(streamed),
  ];
  await child.ended;
  for (const variables of all) expect(variables).toEqual(['LC_ALL=C', `PATH=${environment()['PATH'] ?? ''}`]);
  expect(runAtOnce('sh', ['-c', '[ -z "$TAR_OPTIONS" ]'], 'ignore')).toBe(0);
});

test('what a program is given besides comes through, however it is started', async () => {
  const env = {HTTPS_PROXY: 'there', LC_ALL: 'C.UTF-8'};
  const words = ['-c', 'echo "$HTTPS_PROXY $LC_ALL"'];
  expect((await attempt('sh', words, {env})).stdout).toBe('there C.UTF-8');
  expect(await text(start('sh', words, {env, stdio: ['ignore', 'pipe', 'pipe']}).stdout)).toBe(
    'there C.UTF-8\n',
  );
});

test.each([
  [undefined, '/usr/bin:/bin:/usr/sbin:/sbin'],
  ['', '/usr/bin:/bin:/usr/sbin:/sbin'],
  ['/opt/bin', '/opt/bin:/usr/sbin:/sbin'],
  // What depends on a working directory would be looked for in roots and volumes.
  ['.:bin::/opt/bin:/sbin', '/opt/bin:/sbin:/usr/sbin'],
])('a PATH of %s makes %s', (path, made) => {
  if (path === undefined) delete process.env['PATH'];
  else process.env['PATH'] = path;
  expect(environment()['PATH']).toBe(made);
});

test('what a sandbox is made of is looked for in the system first', () => {
  process.env['PATH'] = '/home/somebody/bin:.:/usr/bin';
  expect(systemPath()).toBe('/usr/sbin:/usr/bin:/sbin:/bin:/home/somebody/bin');
});
