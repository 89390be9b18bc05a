/** The files in which a system keeps its users and groups (passwd(5), group(5)). */

export interface PasswdEntry {
  name: string;
  uid: number;
  gid: number;
  home: string;
  shell: string;
}

export interface GroupEntry {
  name: string;
  gid: number;
  members: readonly string[];
}

/** The largest id that the kernel lets a process have; 2^32-1 means "leave it" to setresuid(2). */
const MAX_ID = 2 ** 32 - 2;

/** Lines that are no entries (comments, NIS' +, damage) are passed over, as the C library does. */
export function parsePasswd(text: string): PasswdEntry[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , uid = '', gid = '', , home = '', shell = ''] = line.split(':');
    const ids = [parseId(uid), parseId(gid)];
    if (name === '' || ids[0] === undefined || ids[1] === undefined) return [];
    return [
      {
        name,
        uid: ids[0],
        gid: ids[1],
        home: home === '' ? '/' : home,
        shell: shell === '' ? '/bin/sh' : shell,
      },
    ];
  });
}

export function parseGroup(text: string): GroupEntry[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', , gid = '', members = ''] = line.split(':');
    const id = parseId(gid);
    if (name === '' || id === undefined) return [];
    return [{name, gid: id, members: members.split(',').filter((member) => member !== '')}];
  });
}

/** A number that may be a user's or a group's. */
export function parseId(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= MAX_ID ? id : undefined;
}
