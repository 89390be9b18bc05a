/**
 * A fresh file system for each section: an ext4 that has seen large deletions makes new files many times slower, which
 * would be measured instead of the program.
 */
import {mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {call, messageOf, PATIENCE, pause} from './processes.ts';
import type {Ground} from './section.ts';

/** Bytes; the file has holes. */
const SIZE = 24 * 2 ** 30;
const INODES = 2_400_000;

type Place = Pick<Ground, 'directory' | 'runtime' | 'atEnd'>;

/** Runs `work` with an empty directory on a new ext4, of which nothing is left afterwards. */
export async function withFreshFileSystem<T>(work: (place: Place) => Promise<T>): Promise<T> {
  const tasks: (() => void)[] = [];
  const leave = (): void => {
    for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) insistOn(task);
  };
  // Whoever presses Ctrl-C twice does not wait for what comes after `work`.
  process.on('exit', leave);
  try {
    return await work(makePlace(tasks));
  } finally {
    leave();
    process.off('exit', leave);
  }
}

function makePlace(tasks: (() => void)[]): Place {
  // With all that is mounted below: sessions of the stores in it.
  const unmount = (path: string): void => void call({words: ['umount', '--recursive', path]});
  const top = mkdtempSync(join(tmpdir(), 'chrootctl-bench-'));
  tasks.push(() => rmSync(top, {recursive: true, force: true}));
  const runtime = mkdtempSync('/run/chrootctl-bench-');
  tasks.push(() => rmSync(runtime, {recursive: true, force: true}));
  call({words: ['mount', '-t', 'tmpfs', '-o', 'mode=0700', 'chrootctl-bench', runtime]});
  tasks.push(() => unmount(runtime));
  const [image, directory] = [join(top, 'image'), join(top, 'mnt')];
  writeFileSync(image, '');
  truncateSync(image, SIZE);
  call({words: ['mkfs.ext4', '-q', '-N', String(INODES), image]});
  mkdirSync(directory);
  // noinit_itable: without it the kernel goes on initialising the file system while we measure (ext4(5)).
  call({words: ['mount', '-o', 'loop,noinit_itable', image, directory]});
  tasks.push(() => unmount(directory));
  return {directory, runtime, atEnd: (task) => void tasks.push(task)};
}

/** Tries again: the last processes of a container may be about to end, and Ctrl-C ends what cleans up, too. */
function insistOn(task: () => void): void {
  const end = Date.now() + PATIENCE;
  for (;;) {
    try {
      task();
      return;
    } catch (error) {
      if (Date.now() > end) {
        // The others have to be done all the same, and what went wrong before is what should be told.
        process.stderr.write(`left behind: ${messageOf(error)}\n`);
        process.exitCode = 1;
        return;
      }
    }
    pause(100);
  }
}
