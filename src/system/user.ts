/** Who we are, also where the system's files tell of no such user: in a container there may be none of our number. */
import {parsePasswd, type PasswdEntry} from './accounts.ts';
import {readIfExists} from './files.ts';
import {outputOf} from './programs.ts';

export interface OwnUser {
  uid: number;
  gid: number;
  /** Its number, where it has no name. */
  name: string;
  /** Absolute. */
  home: string;
}

export function ownUser(): OwnUser {
  const uid = process.geteuid?.() ?? 0;
  return entryOf(uid) ?? {uid, gid: process.getegid?.() ?? 0, name: String(uid), home: ownHome()};
}

/** Where our user keeps what is his: as HOME says, else where the system's files have his home, else `/`. */
export function ownHome(): string {
  const home = process.env['HOME'] ?? '';
  return home === '' ? (entryOf(process.geteuid?.() ?? 0)?.home ?? '/') : home;
}

/** What the host's passwd(5) has on a user. */
export function entryInFile(uid: number): PasswdEntry | undefined {
  return find(uid, readIfExists('/etc/passwd'));
}

/** What the host knows of a user, there or wherever else it asks (nsswitch.conf(5)). */
export function entryOf(uid: number): PasswdEntry | undefined {
  return entryInFile(uid) ?? find(uid, outputOf('getent', ['passwd', String(uid)]));
}

function find(uid: number, passwd = ''): PasswdEntry | undefined {
  return parsePasswd(passwd).find((entry) => entry.uid === uid);
}
