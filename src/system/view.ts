/**
 * A tree mounted where only we can see it: in the mount namespace of a small process that holds it for us. Node sees
 * it through /proc/PID/root (proc_pid_root(5)). The holder waits on a pipe from us; when we die, kill -9 included,
 * the pipe closes, the holder ends, and the kernel unmounts with the last process of the namespace.
 */
import type {ChildProcess} from 'node:child_process';
import {realpathSync} from 'node:fs';
import {mountFunction, type HeldTree, type MountPlan} from './mount-plan.ts';
import {ChrootctlError} from '../errors.ts';
import {lastLine, notStarted, start} from './programs.ts';
import {directoryOf} from './processes.ts';
import {refusalOf} from './refusal.ts';

/**
 * The plan is mounted over its own working directory: it is there for certain, and nothing has to be made that a
 * crash could leave behind. An unmount elsewhere reaches the holder (slave), its own mount reaches nobody.
 */
const HOLDER = ['--mount', '--propagation', 'slave', '--', 'sh', '-c'];
const HOLD = 'mount_plan -t "$1" -o "$2" -- "$3" "$4" && echo && read _ || exit';

/**
 * Runs `work` with a directory at which the tree of `plan` is mounted. The mount is gone when the promise settles,
 * provided that `work` has closed what it opened there.
 * @throws ChrootctlError FAILED when it cannot be mounted, NOT_PERMITTED when we may not
 */
export async function withMounted<T>(plan: MountPlan, work: (directory: string) => Promise<T>): Promise<T> {
  const {directory, release} = await holdMounted(plan);
  try {
    return await work(directory);
  } finally {
    await release();
  }
}

/** The same for who lets go of it by himself. */
export async function holdMounted(plan: MountPlan): Promise<HeldTree> {
  const mountPoint = realpathSync(plan.workingDirectory);
  // A mount over the root directory of a process is not seen by that process (path_resolution(7)).
  if (mountPoint === '/')
    throw new ChrootctlError('FAILED', 'a mount plan cannot have / as its working directory');
  const holder = start(
    'unshare',
    [
      ...HOLDER,
      `${mountFunction(plan)}\n${HOLD}`,
      'sh',
      plan.type,
      plan.options.join(','),
      plan.source,
      mountPoint,
    ],
    // In a session of its own: Ctrl-C at the terminal is for us to act on, and must not take the tree away.
    {
      cwd: plan.workingDirectory,
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    },
  );
  const ended = new Promise<void>((resolve) => {
    holder.once('close', () => resolve());
  });
  const release = async (): Promise<void> => {
    holder.stdin.destroy();
    if (holder.pid !== undefined) await ended;
  };
  try {
    await ready(holder);
  } catch (error) {
    await release();
    throw error;
  }
  const pid = holder.pid ?? 0;
  return {directory: `${directoryOf(pid)}/root${mountPoint}`, pid, release};
}

/**
 * What `steps` gives of what `hold` gives for as long as the function that it is called with takes: until all has been
 * taken, or nothing more is asked for.
 */
export async function* stepByStep<Held, Step>(
  hold: (use: (held: Held) => Promise<unknown>) => Promise<unknown>,
  steps: (held: Held) => AsyncIterable<Step>,
): AsyncGenerator<Step, void> {
  const [got, over] = [Promise.withResolvers<Held>(), Promise.withResolvers<null>()];
  const letGo = hold((held) => {
    got.resolve(held);
    return over.promise;
  });
  letGo.catch(got.reject);
  try {
    yield* steps(await got.promise);
  } finally {
    over.resolve(null);
    await letGo;
  }
}

/** Settles when the holder says that the tree is mounted, or why it is not. */
function ready(holder: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let complaint = '';
    holder.stderr?.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
    holder.once('error', (error) => reject(notStarted('unshare', error)));
    holder.stdout?.once('data', () => resolve());
    holder.once('close', () => reject(mountFailure(complaint)));
  });
}

/** The error for what was said when a plan could not be mounted. */
export function mountFailure(complaint: string): ChrootctlError {
  const failing = 'cannot mount a volume';
  const refusal = refusalOf(failing, complaint);
  if (refusal !== undefined) return refusal;
  const why = complaint.split('\n').find((line) => line.startsWith('mount: ')) ?? lastLine(complaint);
  return new ChrootctlError('FAILED', `${failing}: ${why}`, {hint: 'the kernel log (dmesg) may say more'});
}
