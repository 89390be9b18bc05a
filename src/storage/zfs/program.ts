/**
 * Channel programs (zfs-program(8)): Lua that the kernel runs within one transaction group, with nothing beside it.
 * What a program has done is not undone when it fails later on, so all comparisons come first.
 */
import {ChrootctlError} from '../../errors.ts';
import {refusal, tryZfs} from './command.ts';

/** What a program of ours returns: a table. Which keys there are is the program's business. */
export type Returned = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * Runs a program on a pool. Waits for the transaction group; a `readOnly` one does not.
 * @returns undefined where this pool or this user cannot run any (in a container, without the rights of the host's root)
 * @throws ChrootctlError FAILED when the program ends with an error of its own
 */
export async function runProgram(
  pool: string,
  program: string,
  argv: readonly string[],
  {readOnly = false}: {readOnly?: boolean} = {},
): Promise<Returned | undefined> {
  // The script is read from standard input.
  const words = ['program', ...(readOnly ? ['-n'] : []), '-j', pool, '-', ...argv];
  const {ok, stdout, stderr} = await tryZfs(words, program);
  if (!ok) {
    if (/permission denied|not permitted|not supported|unrecognized command/i.test(stderr)) return undefined;
    throw refusal('zfs program', stderr);
  }
  const {return: returned} = JSON.parse(stdout) as {return?: Returned};
  if (returned === undefined)
    throw new ChrootctlError('FAILED', 'a channel program returned nothing', {
      hint: 'zpool status shows how the pool is',
    });
  return returned;
}

/** What programs can do on this machine; undefined where there are none. Runs in open context and changes nothing. */
export function programFeatures(pool: string): Promise<Returned | undefined> {
  return runProgram(
    pool,
    `return {
      set_prop = zfs.sync.set_prop ~= nil,
      rename_snapshot = zfs.sync.rename_snapshot ~= nil,
      clone = zfs.sync.clone ~= nil
    }`,
    [],
    {readOnly: true},
  );
}
