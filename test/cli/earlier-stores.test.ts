/** Stores that earlier versions have made are used as if this one had made them. */
import {describe, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {copyFileSync, readdirSync, readFileSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {temporaryDirectory} from '../temporary.ts';
import {Cli} from './chrootctl.ts';

const HERE = join(import.meta.dirname, 'earlier');
const BUSYBOX = execFileSync('sh', ['-c', 'command -v busybox'], {encoding: 'utf8'}).trim();

function unpacked(archive: string): string {
  const directory = temporaryDirectory();
  const words = ['--xattrs', '--xattrs-include=*', '-xJf', join(HERE, archive), '-C', directory];
  execFileSync('tar', words);
  for (const name of readdirSync(directory, {recursive: true, encoding: 'utf8'})) {
    const path = join(directory, name);
    if (path.endsWith('/fs/bin/busybox') && statSync(path).size === 0) copyFileSync(BUSYBOX, path);
  }
  return directory;
}

interface Version {
  image: string;
  version: string;
  tags: string[];
  message: string;
}

describe.each(['overlay', 'directory'])('a store with the driver %s', (driver) => {
  test('made by 0.1.0', async () => {
    const cli = new Cli({store: join(unpacked('stores-0.1.0.tar.xz'), driver)});
    const show = async (reference: string, script: string): Promise<string> =>
      cli.ok('run', reference, '--', 'sh', '-c', script);

    const versions = await cli.json<Version[]>('images', 'base');
    expect(versions.map(({message, tags}) => [message, tags])).toEqual([
      ['the third', []],
      ['the second', ['latest', 'stable', '1.1.0']],
      ['the first', ['1.0.0']],
    ]);
    const actions = (await cli.json<{tag: string; action: string}[]>('history', 'base')).map(
      ({tag, action}) => `${action} ${tag}`,
    );
    expect(actions.filter((action) => action.endsWith('gone'))).toEqual(
      expect.arrayContaining(['tag gone', 'untag gone']),
    );
    expect(actions).toContain('rollback latest');
    expect(await cli.ok('doctor')).toBe('all is well');

    expect(await show('base:1.0.0', 'cat /etc/os-release')).toBe('NAME=busybox');
    expect(await show('base:^1', 'cat /data/file; stat -c %a:%g /data; ls /etc')).toBe(
      'two\n2750:1000\ngroup\nhostname\nhosts\npasswd\nresolv.conf',
    );
    const third = versions.find(({message}) => message === 'the third')?.version ?? '';
    expect(await show(`base@${third}`, 'cat /data/file; ls /data')).toBe('three\nfile\nkept');

    // The session, as after a reboot.
    expect(await cli.ok('exec', 'work', '--', 'sh', '-c', 'echo $GREETING $PWD; cat /root/work; ls')).toBe(
      'hello /data\nwork',
    );
    expect((await cli.json<{path: string}[]>('diff', 'work')).map(({path}) => path)).toEqual([
      '/data/file',
      '/root/work',
    ]);
    await cli.ok('commit', 'work', 'base', '-m', 'the fourth');
    expect(await show('base', 'cat /root/work; ls /data')).toBe('work');
    await cli.ok('update', 'base', '--', 'touch', '/root/more');
    await cli.ok('session', 'end', 'work');
    await cli.ok('gc');
    await cli.ok('rm', '--force', 'other/image');
    expect(await cli.ok('doctor')).toBe('all is well');
    expect(await show('base:1.0.0', 'ls /root /etc/os-release')).toBe('/etc/os-release\n\n/root:');
    // Nothing was written anew that this version does not have to.
    expect(JSON.parse(readFileSync(join(cli.store, 'format.json'), 'utf8'))).toMatchObject({
      format: 1,
      driver,
    });
  });
});
