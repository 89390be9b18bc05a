/** What is done once with a program so that the code of what is done most is compiled. */
import {copyFileSync, existsSync, mkdirSync} from 'node:fs';
import {join} from 'node:path';

/** Command lines, one after the other, for a store that is fresh. `place`: where the root that they need is made. */
export function rehearsal(place: string): string[][] {
  const root = join(place, 'root');
  for (const directory of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp'])
    mkdirSync(join(root, directory), {recursive: true});
  // Linked statically; without it the commands are not found, of which little is seen here.
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
  if (busybox !== undefined) copyFileSync(busybox, join(root, 'bin/busybox'));
  const some = ['--', '/bin/busybox', 'true'];
  return [
    ['init', '--driver', 'overlay'],
    ['import', root, 'base:1.0.0'],
    ['run', 'base', ...some],
    ['update', 'base', '--bump', 'minor', ...some],
    ['session', 'begin', 'base', '--name', 'work'],
    ['exec', 'work', ...some],
    ['ps'],
    ['diff', 'work'],
    ['session', 'path', 'work'],
    ['session', 'list'],
    ['commit', 'work', '-m', 'more'],
    ['session', 'end', 'work'],
    ['session', 'begin', 'base', '--name', 'gone'],
    ['session', 'rm', 'gone'],
    ['images'],
    ['inspect', 'base:^1'],
    ['history', 'base'],
    ['rollback', 'base'],
    ['tag', 'base', 'base:mine'],
    ['untag', 'base:mine'],
    ['export', 'base', join(place, 'base.tar')],
    ['info'],
    ['prune'],
    ['gc'],
    ['doctor'],
    ['rm', '--force', 'base'],
    ['images', '--format', 'yaml'],
    ['images', '--no-such-flag'],
    ['run', '--help'],
  ];
}
