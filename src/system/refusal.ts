/** What the kernel did not allow to a program of ours, as an error that says what is missing and how to get it. */
import {ChrootctlError} from '../errors.ts';
import {inUserNamespace, lack, missingRights, moreRights} from './rights.ts';

/** Programs that do nothing for us but what takes root's rights: of what they say, what is missing is all one needs. */
const BUILDERS = /^(?:setpriv|unshare|nsenter|u?mount|bwrap): /;

/**
 * bwrap has no right word for a loopback that it may not bring up. mount(8) tries read-only what it may not write. To the
 * root of a user namespace the ids of others are invalid.
 */
const REFUSED =
  /not permitted|permission denied|must be superuser|^bwrap: loopback: |^mount: .*: cannot mount .* read-only|ownership.*: Invalid argument/i;

/** They come as "no space left" (unshare(2), ENOSPC). */
const TOO_MANY =
  /^(?:unshare: unshare failed: No space left|bwrap: Creating new namespace failed: .*ENOSPC)/m;

/** Whether it was a program before the one that was meant which failed, so that that one has not started. */
export function isOfBuilders(complaint: string): boolean {
  return complaint.split('\n').some((line) => BUILDERS.test(line));
}

/**
 * The error for what a program said on standard error, if that is that it was not allowed to do something.
 * @param failing what has failed, as the beginning of a message
 */
export function refusalOf(failing: string, complaint: string): ChrootctlError | undefined {
  const cause = new Error(complaint.trim());
  if (TOO_MANY.test(complaint)) {
    return new ChrootctlError('NOT_PERMITTED', `${failing}: no more namespaces can be made here`, {
      hint: 'raise the limits: sysctl user.max_mnt_namespaces user.max_pid_namespaces user.max_net_namespaces shows them',
      cause,
    });
  }
  const line = complaint.split('\n').find((text) => REFUSED.test(text));
  if (line === undefined) return undefined;
  const found = BUILDERS.test(line) ? lack() : undefined;
  return found === undefined
    ? new ChrootctlError('NOT_PERMITTED', `${failing}: ${line.trim()}`, {hint: moreRights(), cause})
    : new ChrootctlError('NOT_PERMITTED', `${failing}: ${found.what}`, {hint: found.remedy, cause});
}

/**
 * Makes sure of capabilities that nobody would miss in time. What is shut in must not keep rights that we have and it
 * should not: to take them away takes SETPCAP, without which neither bubblewrap nor setpriv(1) says that it has failed.
 * @param needed names without CAP_
 * @param ofMachine held in a user namespace they are of no use
 * @throws ChrootctlError NOT_PERMITTED
 */
export function requireRights(
  failing: string,
  needed: readonly string[],
  {ofMachine = false}: {ofMachine?: boolean} = {},
): void {
  const isMissing = missingRights().some((name) => needed.includes(name)) || (ofMachine && inUserNamespace());
  const found = isMissing ? lack() : undefined;
  if (found === undefined) return;
  throw new ChrootctlError('NOT_PERMITTED', `${failing}: ${found.what}`, {hint: found.remedy});
}
