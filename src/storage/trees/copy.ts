/** Copying trees exactly, and getting them onto the disk. */
import {ChrootctlError} from '../../errors.ts';
import {run} from '../../system/programs.ts';

/**
 * Copies the tree `from` to `to`, which must not exist: hard links, device nodes, holes, owners, times, ACLs and all
 * extended attributes, whiteouts among them. Blocks are shared where the file system can. Unlike `cp -a` alone, it
 * fails when an extended attribute cannot be kept (cp(1), --preserve=xattr). An interruption ends it; but not what is
 * copied because of one.
 */
export async function copyTree(from: string, to: string): Promise<void> {
  const words = ['-a', '--preserve=xattr', '--reflink=auto', '--no-target-directory', '--', from, to];
  await run('cp', words, {diesWithUs: true, isEndable: true});
}

/** PATH_MAX (limits.h), less the longest name of something in a directory and what ends a path. */
const LONGEST_DIRECTORY = 4096 - 255 - 2;

/**
 * cp(1) goes by paths, and ends where they are longer than a system call takes. Copies of the tree will have paths of the
 * same length.
 * @throws ChrootctlError FAILED for a tree that could not be copied whole
 */
export async function refuseUncopyable(tree: string): Promise<void> {
  const tooLong = `${'?'.repeat(LONGEST_DIRECTORY + 1)}*`;
  const words = [tree, '-type', 'd', '-path', tooLong, '-print', '-quit'];
  const found = await run('find', words, {isEndable: true});
  if (found === '') return;
  throw new ChrootctlError(
    'FAILED',
    `${found.slice(tree.length, tree.length + 100)}… is nested too deeply to be copied`,
    {hint: `remove it (rm -rf inside takes it away), or use a store with another driver than directory`},
  );
}

/** Everything written so far to the file system that holds `path` is on the disk afterwards: syncfs(2). */
export async function syncFileSystem(path: string): Promise<void> {
  await run('sync', ['--file-system', '--', path]);
}

/** Bytes on disk of the last of `trees`, beyond what it shares with those before it by hard links. */
export async function bytesBeyond(trees: readonly string[]): Promise<number> {
  const report = await run('du', ['--summarize', '--null', '--block-size=1', '--', ...trees], {
    isEndable: true,
  });
  return Number(report.split('\0').at(-2)?.split('\t')[0]);
}
