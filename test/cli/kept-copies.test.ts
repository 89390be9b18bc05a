/** The power is cut right after a session was begun, or a commit made, of which the driver copies the whole tree. */
import {expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {temporaryDirectory} from '../temporary.ts';
import {Cli} from './chrootctl.ts';

test('a session on directory has its whole root after a power cut, and so has what is committed then', async () => {
  const directory = temporaryDirectory();
  const [image, disk, after] = ['image', 'disk', 'after'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  for (const each of [disk, after]) mkdirSync(each);
  execFileSync('truncate', ['-s', '64M', image]);
  execFileSync('mkfs.ext4', ['-q', image]);
  execFileSync('mount', ['-o', 'loop', image, disk]);
  const cli = new Cli({driver: 'directory', store: join(disk, 'store')});
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const busybox = readFileSync(join(await cli.ok('session', 'path', 'work'), 'bin/busybox'));
  /** What has reached the disk. */
  const cut = (name: string): string => {
    execFileSync('cp', ['--sparse=always', image, join(directory, name)]);
    return join(directory, name);
  };
  const cuts = [cut('begun')];
  await cli.ok('exec', 'work', '--', 'touch', '/x');
  await cli.ok('commit', 'work');
  cuts.push(cut('committed'));
  for (const one of cuts) {
    execFileSync('mount', ['-o', 'loop', one, after]);
    const later = new Cli({driver: 'directory', store: join(after, 'store')});
    await later.ok('exec', 'work', '--', 'true');
    const root = await later.ok('session', 'path', 'work');
    expect(readFileSync(join(root, 'bin/busybox')).equals(busybox)).toBe(true);
    await later.ok('commit', 'work');
    expect((await later.call(['run', 'base', '--', 'sh', '-c', 'exit 3'])).code).toBe(3);
    execFileSync('umount', [join(after, 'store/mnt/work')]);
    execFileSync('umount', [after]);
  }
});
