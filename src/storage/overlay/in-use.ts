/** Whether a layer is being written through an overlay, in whatever mount namespace: only the kernel knows of all. */
import {supervisorProgram} from '../../system/installed.ts';
import {attempt, runAtOnce} from '../../system/programs.ts';
import {mountFailure} from '../../system/view.ts';
import type {VolumeRecord} from '../on-disk/volume-record.ts';

/**
 * With index=on the kernel refuses an upper directory that another mount has (EBUSY), before it looks whether the work
 * directory lies on the same mount. Here it does not, so that a directory that is free is refused too, for that reason
 * (EINVAL): nothing is mounted, and nothing is changed in it (ovl_fill_super in fs/overlayfs/super.c). It is named by a
 * descriptor, since a store's path may have any character in it that means something among options.
 */
const TRIED = `
mount --bind . . && exec 9<"$PWD" || exit
exec mount -i -t overlay -o "index=on,lowerdir=$1,upperdir=$2,workdir=/proc/self/fd/9/$3" none .`;

/** What the supervisor, which asks the same, answers by its exit code; any other says nothing (native/supervisor/asking.c). */
const ANSWERS = new Map<number | null, boolean>([
  [0, false],
  [3, true],
]);

export async function isUpperInUse(volumes: string, {id, layers}: VolumeRecord): Promise<boolean> {
  const [upper = '', lower = ''] = layers;
  const answer = answerOf(['in-use', volumes, lower, upper, `${id}/work`]);
  if (answer !== undefined) return answer;
  const words = ['--mount', '--propagation', 'private', 'sh', '-c', TRIED, 'sh', lower, upper, `${id}/work`];
  const {stderr} = await attempt('unshare', words, {cwd: volumes});
  if (/busy|already mounted/.test(stderr)) return true;
  // Anything else says nothing.
  if (/wrong fs type|under the same mount/.test(stderr)) return false;
  const failure = mountFailure(stderr);
  // Who may not mount is not told. He cannot use a session either, but he can take back what he has just made.
  if (failure.code === 'NOT_PERMITTED') return false;
  throw failure;
}

/** Undefined where there is no supervisor, or it does not know. */
function answerOf(words: readonly string[]): boolean | undefined {
  const program = supervisorProgram();
  return program === undefined
    ? undefined
    : ANSWERS.get(runAtOnce(program, words, ['ignore', 'ignore', 'ignore']));
}
