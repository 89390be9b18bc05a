import {afterEach, beforeEach, describe, expect, test} from '@jest/globals';
import {execFileSync, spawnSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {detectDriver, requireDriver} from '../../src/storage/detect.ts';
import {datasetAmong} from '../../src/storage/zfs/mounted.ts';
import type {Mount} from '../../src/system/mounts.ts';
import {BINARY} from '../cli/chrootctl.ts';
import {IN_USER_NAMESPACE, without} from '../cli/lesser-root.ts';
import {canMake, loopFileSystem} from '../contract/loop.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'detect-'));
});

afterEach(() => {
  rmSync(root, {recursive: true});
});

describe('the best driver', () => {
  for (const type of ['ext4', 'xfs'].filter(canMake)) {
    test(`is overlay on ${type}, for a directory that does not exist yet too; nothing is left of the trial`, async () => {
      const {directory, cleanup} = loopFileSystem(type);
      try {
        const before = readdirSync(directory);
        expect(await detectDriver(join(directory, 'a/b'))).toEqual({
          driver: 'overlay',
          why: `overlayfs works on ${type}`,
        });
        await expect(requireDriver('overlay', join(directory, 'a/b'))).resolves.toBeUndefined();
        expect(readdirSync(directory)).toEqual(before);
      } finally {
        cleanup();
      }
    });
  }

  test('is directory on an overlay, and who asks for overlay there is told why not', async () => {
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(root, name));
    const merged = join(root, 'merged');
    const options = `lowerdir=${root}/lower,upperdir=${root}/upper,workdir=${root}/work`;
    execFileSync('mount', ['-t', 'overlay', '-o', options, 'overlay', merged]);
    try {
      const detected = await detectDriver(merged);
      expect(detected.driver).toBe('directory');
      expect(detected.why).toMatch(
        /^every clone is a full copy; overlayfs does not work on overlay \(.+\); a store on a volume .+$/,
      );
      await expect(requireDriver('overlay', merged)).rejects.toMatchObject({
        code: 'FAILED',
        message: expect.stringContaining('on overlay') as unknown,
        hint: expect.stringContaining('--driver directory') as unknown,
      });
      await expect(requireDriver('directory', merged)).resolves.toBeUndefined();
      expect(readdirSync(merged)).toEqual([]);
    } finally {
      execFileSync('umount', [merged]);
    }
  });

  test('is btrfs on btrfs, and overlay where btrfs-progs is missing; nothing is left of the trial', async () => {
    const {directory, cleanup} = loopFileSystem('btrfs');
    const path = process.env['PATH'];
    try {
      expect(await detectDriver(join(directory, 'a'))).toEqual({
        driver: 'btrfs',
        why: 'a snapshot of btrfs clones a root of any size',
      });
      for (const name of ['btrfs', 'overlay', 'directory'] as const)
        await expect(requireDriver(name, directory)).resolves.toBeUndefined();
      process.env['PATH'] = directoryOfPrograms(join(root, 'bin'), [
        'unshare',
        'sh',
        'mount',
        'getfattr',
        'xargs',
      ]);
      expect(await detectDriver(directory)).toEqual({
        driver: 'overlay',
        why: expect.stringMatching(
          /^overlayfs works on btrfs; the btrfs driver cannot work: .+apt-get install btrfs-progs$/,
        ) as unknown,
      });
      await expect(requireDriver('btrfs', directory)).rejects.toMatchObject({code: 'FAILED'});
      expect(readdirSync(directory)).toEqual([]);
    } finally {
      process.env['PATH'] = path;
      cleanup();
    }
  });

  test('is not btrfs elsewhere, and who asks for btrfs there is told the way on', async () => {
    const {directory, cleanup} = loopFileSystem('ext4');
    try {
      await expect(requireDriver('btrfs', directory)).rejects.toMatchObject({
        code: 'FAILED',
        message: `the btrfs driver cannot work in ${directory} on ext4: only btrfs has subvolumes`,
        hint: 'choose --driver overlay or directory, or a --root on btrfs',
      });
      expect(readdirSync(directory)).toEqual(['lost+found']);
    } finally {
      cleanup();
    }
  });
});

test('detection chooses none where there is no more space, since a store keeps its driver', async () => {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'nr_inodes=4', 'tmpfs', root]);
  try {
    await expect(detectDriver(root)).rejects.toThrow(/ENOSPC/);
    expect(readdirSync(root)).toEqual([]);
  } finally {
    execFileSync('umount', [root]);
  }
});

describe('detection goes on to the next driver', () => {
  const NEEDED = ['unshare', 'sh', 'mount', 'getfattr', 'xargs', 'cp'];

  test.each([...NEEDED, undefined])('without %s, and says why', async (missing) => {
    const {directory, cleanup} = loopFileSystem('ext4');
    const path = process.env['PATH'];
    const present = missing === undefined ? [] : NEEDED.filter((name) => name !== missing);
    try {
      process.env['PATH'] = directoryOfPrograms(join(root, 'bin'), present);
      const {driver, why} = await detectDriver(directory);
      expect(driver).toBe(missing === 'cp' ? 'overlay' : 'directory');
      if (missing !== 'cp') {
        expect(why).toMatch(/^every clone is a full copy; overlayfs does not work on ext4 \(.+\)$/);
        await expect(requireDriver('overlay', directory)).rejects.toMatchObject({code: 'FAILED'});
      }
      expect(readdirSync(directory)).toEqual(['lost+found']);
    } finally {
      process.env['PATH'] = path;
      cleanup();
    }
  });

  test('where nothing can be tried', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', root]);
    try {
      expect(await detectDriver(root)).toEqual({
        driver: 'directory',
        why: expect.stringMatching(/^nothing better could be tried \(EROFS: /) as unknown,
      });
      await expect(requireDriver('overlay', root)).rejects.toMatchObject({code: 'EROFS'});
    } finally {
      execFileSync('umount', [root]);
    }
  });

  test.each([
    ['root of a user namespace', IN_USER_NAMESPACE],
    ['root without mounts', without('sys_admin')],
  ])('from btrfs, for %s; nothing is left of the trial', (_who, through) => {
    const {directory, cleanup} = loopFileSystem('btrfs');
    try {
      const words = [...through, BINARY, 'init', '--root', join(directory, 'store')];
      const {stdout, stderr, status} = spawnSync('env', words, {encoding: 'utf8'});
      expect([status, stdout]).toEqual([0, `${join(directory, 'store')}: driver directory\n`]);
      expect(stderr).toMatch(
        /^the store keeps this driver: .+; overlayfs .+; the btrfs driver cannot work: a subvolume could not be deleted/m,
      );
      expect(readdirSync(directory)).toEqual(['store']);
      expect(readdirSync(join(directory, 'store/volumes'))).toEqual([]);
    } finally {
      cleanup();
    }
  });
});

describe('a store is a dataset', () => {
  const at = (mount: Partial<Mount>): Mount => ({
    id: 1,
    device: '0:50',
    root: '/',
    mountPoint: '/var/lib/chrootctl',
    type: 'zfs',
    source: 'tank/chrootctl',
    options: [],
    shared: false,
    ...mount,
  });

  test.each([
    ['that is mounted there', [at({})], 'tank/chrootctl'],
    ['not if something else is mounted over it', [at({}), at({type: 'ext4'})], undefined],
    ['not if it is a snapshot', [at({source: 'tank/chrootctl@a'})], undefined],
    [
      'not if it is a directory in one, as volumes of containers are',
      [at({root: '/volumes/a/_data'})],
      undefined,
    ],
  ])('%s', (_what, mounts, expected) => {
    expect(datasetAmong(mounts, '/var/lib/chrootctl')).toBe(expected);
  });
});

/** Makes a directory with nothing but these programs in it, for PATH. */
function directoryOfPrograms(directory: string, names: readonly string[]): string {
  mkdirSync(directory);
  for (const name of names)
    symlinkSync(
      execFileSync('sh', ['-c', `command -v ${name}`], {encoding: 'utf8'}).trim(),
      join(directory, name),
    );
  return directory;
}
