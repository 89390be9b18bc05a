/**
 * What zfs-allow(8) grants to a user who is not root, and what the driver needs. To mount needs root on Linux, whatever
 * is granted, and so do channel programs.
 */
import {ownUser} from '../../system/user.ts';
import type {VolumeProblem} from '../driver.ts';
import {zfs} from './command.ts';

/** What for, by permission, each on the room and all below it. */
export const NEEDED: Readonly<Record<string, string>> = {
  create: 'new volumes',
  clone: 'clones',
  mount: 'making and destroying anything',
  canmount: 'volumes that nothing mounts by itself',
  sync: 'runs that wait for no disk',
  quota: '--storage-limit',
  userprop: 'our marks and the records',
  snapshot: 'commits',
  promote: 'removing what has heirs',
  rename: 'removing what has heirs',
  destroy: 'removing',
};

/** What the user that this process runs as lacks. */
export async function lackingPermissions(dataset: string): Promise<VolumeProblem[]> {
  const {name: username} = ownUser();
  const granted = grantedTo(await zfs('allow', dataset), {user: username, groups: await groupNames()});
  const missing = Object.keys(NEEDED).filter((permission) => !granted.has(permission));
  return [
    ...(missing.length === 0
      ? []
      : [
          {
            kind: 'permission' as const,
            what: `${username} may not ${missing.join(', ')} on ${dataset}`,
            fix: `as root: zfs allow -u ${username} ${missing.join(',')} ${dataset}`,
          },
        ]),
    {
      kind: 'permission',
      what: 'to mount needs root on Linux, and so does every run, session and import, whatever zfs allow grants',
      fix: 'run chrootctl as root (sudo)',
    },
  ];
}

/**
 * The permissions below the dataset that a listing of `zfs allow` tells, those of the datasets above it included.
 * A name that begins with @ stands for a set of them.
 */
export function grantedTo(
  listing: string,
  {user, groups}: {user: string; groups: readonly string[]},
): ReadonlySet<string> {
  const sets = new Map<string, string[]>();
  const granted: string[] = [];
  let heading = '';
  for (const line of listing.split('\n')) {
    if (!line.startsWith('\t')) {
      heading = line;
      continue;
    }
    const words = line.trim().split(/\s+/);
    const permissions = (words.at(-1) ?? '').split(',');
    const [kind = '', name = ''] = words;
    if (/^Permission sets:/.test(heading)) sets.set(kind, permissions);
    else if (/^(?:Local\+)?Descendent permissions:/.test(heading)) {
      const isMine =
        kind === 'everyone' ||
        (kind === 'user' && name === user) ||
        (kind === 'group' && groups.includes(name));
      if (isMine) granted.push(...permissions);
    }
  }
  const expand = (permission: string, seen: readonly string[] = []): string[] =>
    permission.startsWith('@') && !seen.includes(permission)
      ? (sets.get(permission) ?? []).flatMap((inner) => expand(inner, [...seen, permission]))
      : [permission];
  return new Set(granted.flatMap((permission) => expand(permission)));
}

async function groupNames(): Promise<string[]> {
  const {attempt} = await import('../../system/programs.ts');
  // One that has no name is told by its number, and the code is not 0 then.
  return (await attempt('id', ['-Gn'])).stdout.trim().split(/\s+/);
}
