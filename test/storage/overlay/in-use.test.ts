import {expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {isUpperInUse} from '../../../src/storage/overlay/in-use.ts';
import type {VolumeRecord} from '../../../src/storage/on-disk/volume-record.ts';
import {temporaryDirectory} from '../../temporary.ts';

const RECORD: VolumeRecord = {
  chrootctl: 1,
  id: 'upper',
  driver: 'overlay',
  state: 'active',
  parent: 'lower',
  ephemeral: false,
  layers: ['upper/fs', 'lower/fs'],
};

test.each(['plain', 'ünï\\040', 'lower:dir,upperdir=x\\', '$(touch x) `y` "\' ;&|', 'two\nlines\ttab #'])(
  'the kernel tells whether an upper directory is in use, in %j',
  async (name) => {
    const volumes = join(temporaryDirectory(), name);
    for (const path of ['upper/fs', 'upper/work', 'lower/fs', 'merged'])
      mkdirSync(join(volumes, path), {recursive: true});
    expect(await isUpperInUse(volumes, RECORD)).toBe(false);
    const options = 'lowerdir=lower/fs,upperdir=upper/fs,workdir=upper/work';
    execFileSync('mount', ['-i', '-t', 'overlay', '-o', options, 'none', 'merged'], {cwd: volumes});
    try {
      expect(await isUpperInUse(volumes, RECORD)).toBe(true);
    } finally {
      execFileSync('umount', ['merged'], {cwd: volumes});
    }
    // A mount namespace that somebody has just made has a copy for a moment.
    for (let tries = 0; tries < 100 && (await isUpperInUse(volumes, RECORD)); tries++) await sleep(50);
    expect(await isUpperInUse(volumes, RECORD)).toBe(false);
  },
);
