/** Who called: behind sudo the user that sudo was called by. */
import {existsSync} from 'node:fs';
import type {RunOptions} from '../store/records.ts';
import {entryInFile, ownUser, type OwnUser} from '../system/user.ts';

/** As schroot has it: the command is the caller, in his home, where he is. */
export function asCaller(): RunOptions {
  const {uid, gid, name, home} = caller();
  // A home of nobody's, or one that is not there, cannot be shown inside.
  const hasHome = home !== '/' && existsSync(home);
  const start = isBelow(process.cwd(), home) ? process.cwd() : home;
  return {
    // By number alone: the groups come from the host's files, which the root is shown.
    user: entryInFile(uid) === undefined ? `${uid}:${gid}` : String(uid),
    workdir: hasHome ? start : '/',
    env: {HOME: home, USER: name, LOGNAME: name},
    volumes: hasHome ? [{source: home, target: home, readOnly: false}] : [],
  };
}

function caller(): OwnUser {
  const own = ownUser();
  const env = process.env;
  if (
    own.uid === 0 &&
    env['SUDO_UID'] !== undefined &&
    env['SUDO_GID'] !== undefined &&
    env['SUDO_USER'] !== undefined
  ) {
    const home = entryInFile(Number(env['SUDO_UID']))?.home;
    if (home !== undefined) {
      return {uid: Number(env['SUDO_UID']), gid: Number(env['SUDO_GID']), name: env['SUDO_USER'], home};
    }
  }
  return own;
}

function isBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
