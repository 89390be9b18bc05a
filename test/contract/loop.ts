/** A new file system in a file, mounted for one test. */
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmSync, statfsSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/** Bytes: mkfs.xfs makes nothing smaller. The file has holes. */
const SIZE = 320 << 20;

/** Whether a file system of this type can be made and mounted on this machine. */
export function canMake(type: string): boolean {
  try {
    loopFileSystem(type).cleanup();
    return true;
  } catch {
    return false; // No mkfs program, no such file system in the kernel, or no loop devices.
  }
}

/**
 * Makes one in the directory `root` and mounts it there. Gives the place where it is mounted.
 * @param options for mkfs
 */
export function mountLoop(
  type: string,
  root: string,
  {bytes = SIZE, options = []}: {bytes?: number; options?: readonly string[]} = {},
): string {
  const [image, directory] = [join(root, 'image'), join(root, 'mnt')];
  execFileSync('truncate', ['-s', String(bytes), image]);
  execFileSync(`mkfs.${type}`, [...options, image], {stdio: 'ignore'});
  mkdirSync(directory);
  execFileSync('mount', ['-o', 'loop', image, directory], {stdio: 'ignore'});
  return directory;
}

export function loopFileSystem(type: string): {directory: string; cleanup: () => void} {
  const root = mkdtempSync(join(roomForImages(), `loop-${type}-`));
  let directory: string;
  try {
    directory = mountLoop(type, root);
  } catch (error) {
    rmSync(root, {recursive: true});
    throw error;
  }
  const cleanup = (): void => {
    execFileSync('umount', [directory]);
    rmSync(root, {recursive: true});
  };
  return {directory, cleanup};
}

/** In memory where there is enough: to sync such a file system then waits for nothing that others write to the disk. */
function roomForImages(): string {
  const memory = '/dev/shm';
  const {bavail, bsize} = statfsSync(memory);
  return bavail * bsize > 8 * SIZE ? memory : tmpdir();
}
