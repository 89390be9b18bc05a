/** Who called: behind sudo the user that sudo was called by. */
import {existsSync} from 'node:fs';
import type {RunOptions} from '../store/records.ts';
import {entryOf, ownUser, type OwnUser} from '../system/user.ts';

/** As schroot has it: the command is the caller, in his home, where he is. */
export function asCaller(): RunOptions {
  const {uid, gid, name, home} = caller();
  // A home of nobody's, or one that is not there, cannot be shown inside.
  const hasHome = home !== '/' && existsSync(home);
  const start = isBelow(process.cwd(), home) ? process.cwd() : home;
  return {
    // By number alone: the groups come from the host's files, which the root is shown.
    user: entryOf(uid) === undefined ? `${uid}:${gid}` : String(uid),
    workdir: hasHome ? start : '/',
    env: {HOME: home, USER: name, LOGNAME: name},
    volumes: hasHome ? [{source: home, target: home, readOnly: false}] : [],
  };
}

function caller(): OwnUser {
  return sudoCaller() ?? ownUser();
}

/** Who has called sudo, where it is root whom he became, and the host knows him. */
export function sudoCaller(): OwnUser | undefined {
  const {SUDO_UID: uid, SUDO_GID: gid, SUDO_USER: name} = process.env;
  if (process.geteuid?.() !== 0 || uid === undefined || gid === undefined || name === undefined)
    return undefined;
  const home = entryOf(Number(uid))?.home;
  return home === undefined ? undefined : {uid: Number(uid), gid: Number(gid), name, home};
}

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
