/**
 * Calling zfs(8). Its complaints are told apart by what they say (in the C locale; the texts are the same in OpenZFS
 * 2.1 to 2.4), since its exit code is 1 for all of them.
 */
import {ChrootctlError, type ErrorCode} from '../../errors.ts';
import {attempt} from '../../system/programs.ts';
import {moreRights} from '../../system/rights.ts';

export interface Answer {
  ok: boolean;
  stdout: string;
  stderr: string;
}

/** Runs zfs(8) to its end, whatever that is. @throws ChrootctlError FAILED when it cannot be started */
export async function tryZfs(args: readonly string[], input = ''): Promise<Answer> {
  const {code, stdout, stderr} = await attempt('zfs', args, {input});
  return {ok: code === 0, stdout, stderr};
}

/** Runs zfs(8), expecting success; gives its standard output. @throws ChrootctlError */
export async function zfs(...args: string[]): Promise<string> {
  const answer = await tryZfs(args);
  if (!answer.ok) throw refusal(`zfs ${args[0] ?? ''}`, answer.stderr);
  return answer.stdout;
}

export const isMissing = (stderr: string): boolean =>
  /does not exist|no such pool|could not find any snapshots/.test(stderr);
export const isTaken = (stderr: string): boolean => /already exists/.test(stderr);
export const isBusy = (stderr: string): boolean => /is busy|being held/.test(stderr);
export const hasDependents = (stderr: string): boolean => /has (?:children|dependent clones)/.test(stderr);

/** A complaint of zfs(8) as an error of ours. */
export function refusal(what: string, stderr: string): ChrootctlError {
  const text = stderr.trim().split('\n')[0] ?? '';
  const [code, hint] = meaningOf(stderr);
  return new ChrootctlError(code, text === '' ? `${what} failed` : text, {hint});
}

function meaningOf(stderr: string): [ErrorCode, string] {
  if (isMissing(stderr))
    return ['NOT_FOUND', 'zfs list shows what there is; zpool import brings a pool back'];
  if (isTaken(stderr)) return ['CONFLICT', 'choose another name'];
  if (isBusy(stderr))
    return ['BUSY', 'something is mounted, held (zfs holds) or received there: try again later'];
  if (/permission denied|not permitted|must be superuser/i.test(stderr))
    return ['NOT_PERMITTED', `${moreRights()}; docs/zfs.md says what zfs allow can grant`];
  if (/out of space|no space left/i.test(stderr))
    return ['FAILED', 'the pool is full: free some space (chrootctl prune, chrootctl gc); nothing was lost'];
  if (/quota/i.test(stderr))
    return ['FAILED', 'a quota is used up: raise it (zfs get quota); nothing was lost'];
  if (/ZFS modules (?:are not|cannot be) /.test(stderr))
    return ['FAILED', 'load the kernel module: modprobe zfs (as root)'];
  return ['FAILED', 'zpool status shows how the pool is'];
}
