/** Who the command runs as, from the root's own /etc/passwd and /etc/group (passwd(5), group(5)), as docker does it. */
import {lstatSync, readFileSync} from 'node:fs';
import {ChrootctlError} from '../errors.ts';
import {parseGroup, parseId, parsePasswd, type GroupEntry, type PasswdEntry} from '../system/accounts.ts';
import {lookUp, type View} from './in-root.ts';

export interface Account {
  uid: number;
  gid: number;
  /** Supplementary groups. */
  groups: readonly number[];
  /** Empty for a number without an entry. */
  name: string;
  home: string;
  shell: string;
}

/** Of an account file; the largest that are known have some MB. */
const MAX_BYTES = 64 * 2 ** 20;

/**
 * The account of `USER[:GROUP]`, names or numbers. A number needs no entry. A named group replaces the user's own,
 * and the supplementary ones with it.
 * @throws ChrootctlError FAILED for a user or group that the root does not have
 */
export function resolveUser(views: readonly View[], spec = 'root'): Account {
  const [user, group] = splitOnce(spec);
  const passwd = parsePasswd(readInside(views, '/etc/passwd'));
  const account = accountOf(user === '' ? 'root' : user, passwd);
  const entries = parseGroup(readInside(views, '/etc/group'));
  if (group === undefined || group === '') {
    const groups = entries.filter(({members}) => account.name !== '' && members.includes(account.name));
    return {...account, groups: [...new Set(groups.map(({gid}) => gid))].sort((a, b) => a - b)};
  }
  return {...account, gid: gidOf(group, entries)};
}

/** Ids of accounts that are people's, as Debian's policy has it (9.2.2). */
const PEOPLE = {first: 1000, last: 59_999};

/** Names of the root's accounts for ordinary work, that with the lowest number first. */
export function ordinaryUsers(views: readonly View[]): string[] {
  return parsePasswd(readInside(views, '/etc/passwd'))
    .filter(
      ({uid, shell}) => uid >= PEOPLE.first && uid <= PEOPLE.last && !/\/(?:nologin|false)$/.test(shell),
    )
    .sort((a, b) => a.uid - b.uid)
    .map(({name}) => name);
}

function accountOf(user: string, passwd: readonly PasswdEntry[]): Account {
  const id = parseId(user);
  const entry = passwd.find(({name}) => name === user) ?? passwd.find(({uid}) => uid === id);
  if (entry !== undefined) return {...entry, groups: []};
  // A root without any passwd still has its root.
  if (user === 'root') return {uid: 0, gid: 0, groups: [], name: 'root', home: '/root', shell: '/bin/sh'};
  if (id === undefined) {
    throw new ChrootctlError('FAILED', `no user ${user} in the root's /etc/passwd`, {
      hint: 'name a user that the image has, or give a number',
    });
  }
  return {uid: id, gid: 0, groups: [], name: '', home: '/', shell: '/bin/sh'};
}

function gidOf(group: string, entries: readonly GroupEntry[]): number {
  const id = parseId(group);
  const gid = entries.find(({name}) => name === group)?.gid ?? id;
  if (gid === undefined) {
    throw new ChrootctlError('FAILED', `no group ${group} in the root's /etc/group`, {
      hint: 'name a group that the image has, or give a number',
    });
  }
  return gid;
}

function splitOnce(spec: string): [string, string | undefined] {
  const colon = spec.indexOf(':');
  return colon === -1 ? [spec, undefined] : [spec.slice(0, colon), spec.slice(colon + 1)];
}

/** Nothing is at work in the root: what is looked at here is what is read. */
function readInside(views: readonly View[], path: string): string {
  const {source} = lookUp(views, path);
  if (source === undefined) return '';
  const stats = lstatSync(source);
  // A FIFO would never end, and a device may do anything when it is opened.
  if (!stats.isFile()) throw unfit(path, 'is not a regular file');
  if (stats.size > MAX_BYTES) throw unfit(path, `has ${stats.size} bytes, more than ${MAX_BYTES}`);
  return readFileSync(source, 'utf8');
}

function unfit(path: string, what: string): ChrootctlError {
  return new ChrootctlError('FAILED', `${path} of the root ${what}`, {
    hint: 'the image is damaged, or is not to be trusted',
  });
}
