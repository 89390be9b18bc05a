/** The archives of test/archive/hostile.ts, as somebody would import them. */
import {expect, test} from '@jest/globals';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {hostileArchives} from '../archive/hostile.ts';
import {describe as describeTree, plantCanary} from '../archive/trees.ts';
import {Cli} from './chrootctl.ts';
import {contents} from './contents.ts';

test('the store is as it was after each archive, and well', async () => {
  const cli = new Cli();
  const outside = join(cli.directory, 'outside');
  mkdirSync(outside);
  const canary = plantCanary(outside);
  const untouched = describeTree(canary);
  await cli.importRoot('other');
  const before = contents(cli.store);
  for (const [index, {what, bytes}] of hostileArchives(canary).entries()) {
    const file = join(cli.directory, 'archive.tar');
    writeFileSync(file, bytes);
    const {code, stdout, stderr} = await (index % 2 === 0
      ? cli.call(['import', file, 'base'])
      : cli.call(['import', '-', 'base'], {input: bytes}));
    const says = stderr.split('\n')[0];
    const doctor = await cli.call(['doctor']);
    expect({what, code, stdout, says, doctor: doctor.stdout, outside: describeTree(canary)}).toEqual({
      what,
      code: 7,
      stdout: '',
      says: expect.stringMatching(/^chrootctl: \S/),
      doctor: 'all is well\n',
      outside: untouched,
    });
    expect(contents(cli.store)).toBe(before);
  }
}, 300_000);
