/** The copies of the host's programs, when their directory is of no use, and when the power is cut. New privileges need them. */
import {expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {join} from 'node:path';
import {canMake} from '../contract/loop.ts';
import {temporaryDirectory} from '../temporary.ts';
import {Cli} from './chrootctl.ts';

/** Starts a program beside a cache of its own, in which `script` has mounted something. */
function beside(script: string): readonly string[] {
  const all = `c=/var/cache/chrootctl; mkdir -p $c; ${script}; exec "$@"`;
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', all, 'sh'];
}

test.each(['size=1m', 'noexec', 'ro'])('a cache that is mounted with %s stops nothing', async (option) => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  const through = beside(`mount -t tmpfs -o ${option} none $c`);
  const call = (...words: string[]) => cli.call(words, {through});
  const inside = 'touch /dev/.chrootctl/x 2>/dev/null || ls /dev/.chrootctl';
  const {code, stdout} = await call(
    'run',
    'base',
    '--new-privileges',
    '-u',
    'guest',
    '--',
    'sh',
    '-c',
    inside,
  );
  expect([code, stdout.split('\n')]).toEqual([0, expect.arrayContaining(['sh', 'setpriv'])]);
  expect((await call('run', 'base', '--privileged', '--', 'sh', '-c', 'exit 3')).code).toBe(3);
  expect((await call('run', 'base', '--', 'sh', '-c', 'exit 4')).code).toBe(4);
  expect((await call('update', 'base', '--', 'touch', '/x')).code).toBe(0);
});

const FILE_SYSTEMS = ['ext4', 'xfs'].filter(canMake);

// What a cut leaves: a copy of what has reached the disk, after anybody there has synced a file, and with that the log.
test.each(FILE_SYSTEMS)('copies that a power cut met on %s are whole or made anew', async (type) => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  const disk = temporaryDirectory();
  const [image, cut] = [join(disk, 'image'), join(disk, 'cut')];
  execFileSync('truncate', ['-s', type === 'xfs' ? '320M' : '60M', image]);
  execFileSync(`mkfs.${type}`, ['-q', image], {stdio: 'ignore'});
  const run = (mounted: string, script: string, code: string) =>
    cli.call(['run', 'base', '--new-privileges', '--', 'sh', '-c', `exit ${code}`], {
      through: beside(`mount -o loop ${mounted} $c; ${script}`),
    });
  expect((await run(image, 'true', '3')).code).toBe(3);
  // Made anew, so that nothing of it is on the disk by itself, and cut right afterwards.
  const cutOff = `rm -rf $c/*; sync -f $c; "$@"; [ $? = 5 ] || exit 99
    dd if=/dev/zero of=$c/somebody bs=1 count=1 conv=fsync 2>/dev/null; cp --sparse=always ${image} ${cut}; umount $c; set -- true`;
  expect((await run(image, cutOff, '5')).code).toBe(0);
  const found = 'cmp $c/tools-*/sh "$(readlink -f /bin/sh)" || exit 98';
  expect((await run(cut, found, '7')).code).toBe(7);
  expect((await run(cut, 'rm -f $c/tools.json', '8')).code).toBe(8);
});
