/** What holds for an image whatever version of it is used, and that nothing runs without it. */
import {beforeEach, describe, expect, test} from '@jest/globals';
import {existsSync, mkdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Store} from '../../src/store/store.ts';
import {Cli} from '../cli/chrootctl.ts';

let cli: Cli;
beforeEach(async () => {
  cli = new Cli({driver: 'directory'});
  await cli.importRoot('base');
});

function file(): string {
  return join(cli.store, 'images/base/policy.json');
}

const SHOW = ['--', 'sh', '-c', 'echo ${DEBIAN_FRONTEND-none}'];

async function frontend(...words: string[]): Promise<string> {
  return (await cli.ok(...words, ...SHOW)).trim();
}

describe('the profile of an image', () => {
  test('is what every command starts from that names none', async () => {
    expect(await cli.ok('policy', 'base')).toBe('profile: default');
    await cli.ok('policy', 'base', '--profile', 'buildd');
    expect(JSON.parse(await cli.ok('policy', 'base', '--json'))).toEqual({image: 'base', profile: 'buildd'});
    expect(await frontend('run', 'base')).toBe('noninteractive');
    expect(await frontend('run', 'base', '--profile', 'default')).toBe('none');
    expect(await frontend('run', 'base', '-e', 'DEBIAN_FRONTEND=readline')).toBe('readline');
    await cli.ok('session', 'begin', 'base', '--name', 'work');
    expect(await frontend('exec', 'work')).toBe('noninteractive');
    // It is no version's: a new one, and moves of tags, leave it as it is.
    await cli.ok('update', 'base', '--', 'touch', '/root/new');
    await cli.ok('rollback', 'base');
    expect(await frontend('run', 'base')).toBe('noninteractive');
    // A session has what it was begun with.
    await cli.ok('policy', 'base', '--profile', 'default');
    expect(await frontend('run', 'base')).toBe('none');
    expect(await frontend('exec', 'work')).toBe('noninteractive');
    expect(existsSync(file())).toBe(false);
    await cli.ok('doctor');
  });

  test('goes with the image', async () => {
    await cli.ok('policy', 'base', '--profile', 'buildd');
    await cli.ok('rm', '--force', 'base');
    await cli.importRoot('base');
    expect(await cli.ok('policy', 'base')).toBe('profile: default');
  });

  test('is one that there is, of an image that there is', async () => {
    expect(await cli.call(['policy', 'base', '--profile', 'builds'])).toMatchObject({code: 2});
    expect(await cli.call(['policy', 'bsae', '--profile', 'buildd'])).toMatchObject({code: 3});
    expect(existsSync(file())).toBe(false);
  });
});

test('a policy that is taken away between the look at the tags and that at the file is none', async () => {
  await cli.ok('policy', 'base', '--profile', 'buildd');
  const image = (await Store.open({root: cli.store})).image('base');
  image.refs();
  await cli.ok('policy', 'base', '--profile', 'default');
  expect(image.policy()).toEqual({});
});

describe('a policy that cannot be read', () => {
  const DAMAGE: Record<string, () => void> = {
    'is lost': () => rmSync(file()),
    'is torn': () => writeFileSync(file(), '{"pro'),
    // What a later version forbids must not be allowed by an earlier one.
    'says what is not known here': () => writeFileSync(file(), '{"profile": "buildd", "users": ["joe"]}\n'),
    'is a directory': () => {
      rmSync(file());
      mkdirSync(file());
    },
  };

  test.each(Object.keys(DAMAGE))('keeps everything from running: it %s', async (what) => {
    await cli.ok('policy', 'base', '--profile', 'buildd');
    await cli.importRoot('other');
    DAMAGE[what]?.();
    for (const words of [
      ['run', 'base', '--', 'true'],
      ['run', '--read-only', 'base', '--', 'true'],
      ['update', 'base', '--', 'true'],
      ['session', 'begin', 'base'],
      ['policy', 'base'],
    ]) {
      const {code, stderr} = await cli.call(words);
      expect([words, stderr]).toEqual([words, expect.stringContaining('policy.json')]);
      expect([words, code]).toEqual([words, words[0] === 'run' ? 125 : 7]);
    }
    await cli.ok('run', 'other', '--', 'true');
    await cli.ok('diff', 'base', 'other');
    expect((await cli.call(['doctor', '--fix'])).stdout).toContain('policy.json');
    expect((await cli.call(['images'])).stderr).toContain('policy.json');
    await cli.ok('policy', 'base', '--profile', 'user');
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toEqual({profile: 'user'});
    await cli.ok('doctor');
  });

  test('is known of when the tags were lost with that they tell of it', async () => {
    await cli.ok('policy', 'base', '--profile', 'buildd');
    rmSync(join(cli.store, 'images/base/refs.json'));
    await cli.ok('doctor', '--fix');
    expect(await frontend('run', 'base')).toBe('noninteractive');
  });
});
