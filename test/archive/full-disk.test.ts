import {execFileSync} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Readable} from 'node:stream';
import {expect, test} from '@jest/globals';
import {unpackRoot} from '../../src/archive/unpack.ts';
import {archive, entry, file} from './tar-bytes.ts';
import {inTemporary} from './trees.ts';

const large = archive(
  ...Array.from({length: 40}, (_entry, index) =>
    entry({name: `f${index}`, body: Buffer.alloc(1 << 20, index)}),
  ),
  file('last'),
);

/** A file system of 16 MB on a loop device. */
async function withSmallDisk<T>(directory: string, work: (mountPoint: string) => Promise<T>): Promise<T> {
  const [image, mountPoint] = [join(directory, 'image'), join(directory, 'disk')];
  execFileSync('truncate', ['-s', '16M', image]);
  execFileSync('mkfs.ext4', ['-q', '-F', image]);
  mkdirSync(mountPoint);
  execFileSync('mount', ['-o', 'loop', image, mountPoint]);
  try {
    return await work(mountPoint);
  } finally {
    execFileSync('umount', [mountPoint]);
  }
}

test.each(['file', 'stream'])('a full disk is not the fault of the archive (%s)', (way) =>
  inTemporary((directory) =>
    withSmallDisk(directory, async (disk) => {
      const [path, root] = [join(directory, 'tar'), join(disk, 'root')];
      mkdirSync(root);
      writeFileSync(path, large);
      const source = way === 'file' ? path : Readable.from([large]);
      await expect(unpackRoot(source, root)).rejects.toMatchObject({
        code: 'FAILED',
        message: expect.stringMatching(/no space left/),
        hint: expect.stringMatching(/free some space/),
      });
    }),
  ),
);
