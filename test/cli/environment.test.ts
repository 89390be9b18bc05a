/** The caller's environment does not change what a version holds. */
import {expect, test} from '@jest/globals';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {temporaryDirectory} from '../temporary.ts';
import {Cli} from './chrootctl.ts';
import {DRIVERS} from './drivers.ts';

const HOSTILE = {
  TAR_OPTIONS: '--exclude=*',
  XZ_OPT: '--nonsense',
  ZSTD_CLEVEL: '99',
  POSIXLY_CORRECT: '1',
  GREP_OPTIONS: '-v',
  BLOCK_SIZE: '1',
  LC_ALL: 'C.UTF-8',
  ZFS_COLOR: '1',
};

test.each(DRIVERS)('on %s', async (driver) => {
  const cli = new Cli({driver, env: HOSTILE});
  await cli.importRoot();
  // On overlay a renamed directory is put in order by tar(1), elsewhere trees are copied or taken as they are.
  const script =
    'mkdir -p /kept/deep; echo one > /kept/deep/file; mv /kept /renamed; mv /renamed/deep /renamed/er; chmod 2751 /renamed; chown 12:34 /renamed/er';
  await cli.ok('run', 'base', '--commit', '--', 'sh', '-c', script);
  await cli.ok('run', 'base', '--commit', '--', 'mv', '/renamed', '/again');
  expect(await cli.ok('run', 'base', '--', 'cat', '/again/er/file')).toBe('one');
  expect(await cli.ok('run', 'base', '--', 'stat', '-c', '%a %u:%g', '/again', '/again/er')).toBe(
    '2751 0:0\n755 12:34',
  );
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  await cli.ok('exec', 'work', '--', 'sh', '-c', 'mv /again /last; echo two > /last/er/other');
  await cli.ok('commit', 'work');
  const archive = join(temporaryDirectory(), 'root.tar.xz');
  await cli.ok('export', 'base', archive);
  expect(readFileSync(archive).length).toBeGreaterThan(1000);
  await cli.ok('import', archive, 'copy');
  for (const image of ['base', 'copy'])
    expect(await cli.ok('run', image, '--', 'sh', '-c', 'cat /last/er/*')).toBe('one\ntwo');
});
