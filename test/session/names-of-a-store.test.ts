/** A store that is called by several names is one store: nothing is mounted twice, nothing is busy by another name. */
import {afterEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {mkdirSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {mountsOf} from '../../src/system/mounts.ts';
import {Cli, cleanUp} from '../cli/chrootctl.ts';

afterEach(cleanUp);

function mountsOfSession(cli: Cli): string[] {
  const below = (path: string): boolean => path.startsWith(cli.directory) && path.endsWith('/mnt/work');
  return mountsOf()
    .map(({mountPoint}) => mountPoint)
    .filter(below);
}

const kinds = {
  'a symbolic link': (cli: Cli, name: string) => symlinkSync(cli.store, name),
  'a bind mount': (cli: Cli, name: string) => {
    mkdirSync(name);
    execFileSync('mount', ['--bind', cli.store, name]);
    // Else a mount by the one name comes to be one by the other.
    execFileSync('mount', ['--make-private', name]);
  },
};

test.each(Object.entries(kinds))('%s to the store is another name for it', async (_kind, lead) => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  const name = join(cli.directory, 'name');
  lead(cli, name);
  const by = (root: string, ...args: string[]) => cli.ok(...args, '--root', root);

  await by(name, 'session', 'begin', 'base', '--name', 'work');
  expect(await by(name, 'session', 'path', 'work')).toBe(join(cli.store, 'mnt/work'));
  for (const [index, root] of [cli.store, name, cli.store].entries())
    await cli.ok('exec', '--root', root, 'work', '--', 'sh', '-c', `echo ${index} >>/n`);
  expect(mountsOfSession(cli)).toEqual([join(cli.store, 'mnt/work')]);
  // A run beside it holds no copy of the session's root, by whatever name it was begun.
  const running = cli.start(['run', '--root', name, 'base', '--', 'sh', '-c', 'echo up; exec sleep 1000']);
  await new Promise((resolve) => running.stdout?.once('data', resolve));
  await by(name, 'commit', 'work');
  await by(cli.store, 'session', 'end', 'work', '--commit');
  running.kill('SIGKILL');
  expect(mountsOfSession(cli)).toEqual([]);
  expect(await cli.ok('run', 'base', '--', 'cat', '/n')).toBe('0\n1\n2');
});
