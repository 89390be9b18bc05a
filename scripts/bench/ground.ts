/**
 * A fresh file system for each section: an ext4 that has seen large deletions makes new files many times slower, which
 * would be measured instead of the program.
 */
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/** Bytes; the file has holes. */
const SIZE = 12 * 2 ** 30;
const INODES = 1_200_000;

/** Runs `work` with an empty directory on a new ext4, of which nothing is left afterwards. */
export async function withFreshFileSystem<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const top = mkdtempSync(join(tmpdir(), 'chrootctl-bench-'));
  const [image, directory] = [join(top, 'image'), join(top, 'mnt')];
  try {
    writeFileSync(image, '');
    truncateSync(image, SIZE);
    execFileSync('mkfs.ext4', ['-q', '-N', String(INODES), image]);
    mkdirSync(directory);
    // noinit_itable: without it the kernel goes on initialising the file system while we measure (ext4(5)).
    execFileSync('mount', ['-o', 'loop,noinit_itable', image, directory]);
    try {
      return await work(directory);
    } finally {
      // Sessions of the stores in it are mounted below, and some were begun last.
      execFileSync('umount', ['--recursive', directory]);
    }
  } finally {
    rmSync(top, {recursive: true});
  }
}
