/** Who we are, also where the system's files tell of no such user: in a container there may be none of our number. */
import {homedir, userInfo} from 'node:os';

export interface OwnUser {
  uid: number;
  gid: number;
  /** Its number, where it has no name. */
  name: string;
  /** Absolute; what HOME says where nothing else tells. */
  home: string;
}

export function ownUser(): OwnUser {
  try {
    const {uid, gid, username, homedir: home} = userInfo();
    return {uid, gid, name: username, home};
  } catch (error) {
    if (!isUnknown(error)) throw error;
    const uid = process.getuid?.() ?? 0;
    return {uid, gid: process.getgid?.() ?? 0, name: String(uid), home: ownHome()};
  }
}

/** Where our user keeps what is his: as HOME says, else where the system's files have his home, else `/`. */
export function ownHome(): string {
  try {
    return homedir();
  } catch (error) {
    if (!isUnknown(error)) throw error;
    return '/';
  }
}

/** What Node throws when getpwuid(3) knows nothing of a number. */
function isUnknown(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_SYSTEM_ERROR';
}
