/** An ordinary user whom the host does not have: in a mount namespace in which its files name him. */
import {copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {temporaryDirectory} from '../temporary.ts';

export const USER = {name: 'builder', uid: 54_321};

/** Ids of his own for user namespaces (subuid(5)). */
const SUBORDINATE = '700000:65536';

/** Words of a program that starts another one where the host has him. */
export function withUser(home: string): string[] {
  const files = join(temporaryDirectory(), 'etc');
  mkdirSync(files);
  const added: Record<string, string> = {
    passwd: `${USER.name}:x:${USER.uid}:${USER.uid}::${home}:/bin/sh\n`,
    group: `${USER.name}:x:${USER.uid}:\n`,
    subuid: `${USER.name}:${SUBORDINATE}\n`,
    subgid: `${USER.name}:${SUBORDINATE}\n`,
  };
  const names = Object.keys(added).filter((name) => existsSync(join('/etc', name)));
  for (const name of names) {
    copyFileSync(join('/etc', name), join(files, name));
    writeFileSync(join(files, name), readFileSync(join('/etc', name), 'utf8') + (added[name] ?? ''));
  }
  const script =
    'files=$1; shift; for f in $(ls "$files"); do mount --bind "$files/$f" "/etc/$f"; done; exec "$@"';
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', files];
}

/** Words of a program that starts another one as he does. */
export function asUser(home: string): string[] {
  const ids = [`--reuid=${USER.uid}`, `--regid=${USER.uid}`, '--init-groups'];
  const env = [`HOME=${home}`, `USER=${USER.name}`, 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C.UTF-8'];
  return [...withUser(home), 'setpriv', ...ids, 'env', '-i', ...env];
}
