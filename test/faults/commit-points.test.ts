/** Calls that fail after what was asked for has happened: that is told, with exit code 8, and nobody does it again. */
import {afterEach, beforeEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Store} from '../../src/index.ts';
import {Cli, cleanUp} from '../cli/chrootctl.ts';
import {failing} from './calls.ts';

let cli: Cli;
let version: string;

beforeEach(async () => {
  cli = new Cli({driver: 'overlay'});
  version = await cli.importRoot();
});
afterEach(cleanUp);

test.each([
  ['the directory is flushed', 'fsync out'],
  ['its record is removed', 'unlink store/sessions/SESSION.json'],
])('export: the archive is there when it fails as %s', async (_, name) => {
  mkdirSync(join(cli.directory, 'out'));
  const file = join(cli.directory, 'out/base.tar');
  const env = failing(cli.directory, {name, occurrence: 1}, 'EIO');
  const {code, stdout} = await cli.call(['export', 'base', file, '--json'], {env});
  expect([code, JSON.parse(stdout)]).toEqual([
    8,
    {error: expect.objectContaining({code: 'INCOMPLETE', image: 'base', version, file})},
  ]);
  execFileSync('tar', ['--list', '--file', file]);
});

test('export: there is nothing when it fails before', async () => {
  mkdirSync(join(cli.directory, 'out'));
  const file = join(cli.directory, 'out/base.tar');
  const env = failing(cli.directory, {name: 'rename out/.base.tar.tmp', occurrence: 1}, 'EIO');
  const {code, stderr} = await cli.call(['export', 'base', file], {env});
  expect([code, stderr]).toEqual([1, expect.stringContaining('injected')]);
  expect(existsSync(file)).toBe(false);
});

const POLICY = 'images/base/policy.json';

test.each([
  ['a first policy', 'default', 'buildd', 'fsync store/images/base', 2],
  ['another policy', 'user', 'buildd', 'fsync store/images/base', 1],
  ['none any more', 'user', 'default', 'fsync store/images/base', 1],
  ['none any more', 'user', 'default', 'unlink store/images/base/policy.json', 1],
])('policy: %s holds when it fails after that (%s to %s, %s)', async (_, before, after, name, occurrence) => {
  await cli.ok('policy', 'base', '--profile', before);
  const env = failing(cli.directory, {name, occurrence}, 'EIO');
  const {code, stdout} = await cli.call(['policy', 'base', '--profile', after, '--json'], {env});
  expect([code, JSON.parse(stdout)]).toEqual([
    8,
    {error: expect.objectContaining({code: 'INCOMPLETE', image: 'base', profile: after})},
  ]);
  expect(await cli.ok('policy', 'base')).toBe(`profile: ${after}`);
  await cli.ok('gc');
  expect(await cli.ok('doctor')).toBe('all is well');
  expect(existsSync(join(cli.store, POLICY))).toBe(after !== 'default');
});

test.each([
  ['fsync store/images/base', 1],
  ['rename store/images/base/refs.json.tmp', 1],
])('policy: a first one that fails before it holds leaves nothing (%s)', async (name, occurrence) => {
  const env = failing(cli.directory, {name, occurrence}, 'EIO');
  expect(await cli.call(['policy', 'base', '--profile', 'buildd'], {env})).toMatchObject({code: 1});
  expect(existsSync(join(cli.store, POLICY))).toBe(false);
});

test('a policy that does not hold is collected, and tags made anew do not bring it into force', async () => {
  const refs = join(cli.store, 'images/base/refs.json');
  const without = readFileSync(refs, 'utf8');
  await cli.ok('policy', 'base', '--profile', 'buildd');
  writeFileSync(refs, without);
  const image = (await Store.open({root: cli.store})).image('base');
  await image.change((change) => {
    change.replaceHistory(image.history(), image.refs().seq);
    return Promise.resolve();
  });
  expect(await cli.ok('policy', 'base')).toBe('profile: default');
  expect(await cli.call(['doctor'])).toMatchObject({code: 1, stdout: expect.stringContaining('policy')});
  await cli.ok('gc');
  expect(existsSync(join(cli.store, POLICY))).toBe(false);
  // Where the tags are lost, what is there counts.
  await cli.ok('policy', 'base', '--profile', 'buildd');
  writeFileSync(refs, '');
  await cli.ok('doctor', '--fix');
  expect(await cli.ok('policy', 'base')).toBe('profile: buildd');
});
