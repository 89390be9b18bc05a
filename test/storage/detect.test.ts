import {afterEach, beforeEach, describe, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {detectDriver, requireDriver} from '../../src/storage/detect.ts';
import {canMake, loopFileSystem} from '../contract/loop.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'detect-'));
});

afterEach(() => {
  rmSync(root, {recursive: true});
});

describe('the best driver', () => {
  test('is overlay where overlayfs works, for a directory that does not exist yet too; nothing is left of the trial', async () => {
    expect(await detectDriver(join(root, 'a/b'))).toMatchObject({driver: 'overlay'});
    await expect(requireDriver('overlay', join(root, 'a/b'))).resolves.toBeUndefined();
    expect(readdirSync(root)).toEqual([]);
  });

  test('is directory on an overlay, and who asks for overlay there is told why not', async () => {
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(join(root, name));
    const merged = join(root, 'merged');
    const options = `lowerdir=${root}/lower,upperdir=${root}/upper,workdir=${root}/work`;
    execFileSync('mount', ['-t', 'overlay', '-o', options, 'overlay', merged]);
    try {
      const detected = await detectDriver(merged);
      expect(detected.driver).toBe('directory');
      expect(detected.why).toMatch(/^overlayfs does not work on overlay \(.+\); every clone is a full copy$/);
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

  for (const type of ['xfs', 'btrfs'].filter(canMake)) {
    test(`is overlay on ${type}`, async () => {
      const {directory, cleanup} = loopFileSystem(type);
      try {
        expect(await detectDriver(directory)).toEqual({driver: 'overlay', why: `overlayfs works on ${type}`});
      } finally {
        cleanup();
      }
    });
  }
});
