/** Calls that fail after what was asked for has happened: that is told, with exit code 8, and nobody does it again. */
import {afterEach, beforeEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync} from 'node:fs';
import {join} from 'node:path';
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
