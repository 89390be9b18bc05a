/** What other users of the machine get of a store, whatever the umask of whoever made it. */
import {describe, expect, test} from '@jest/globals';
import {execFileSync, spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {BINARY, Cli, busyboxRoot} from './chrootctl.ts';
import {DRIVERS} from './drivers.ts';

const SET_UID = 'cp /bin/busybox /bin/su; chmod 4755 /bin/su';

describe.each(DRIVERS)('a store on %s', (driver) => {
  test.each(['0', '0777'])('is closed to others, made with umask %s', (umask) => {
    const cli = new Cli({driver});
    const call = (...words: string[]): string =>
      execFileSync('sh', ['-c', `umask ${umask}; exec "$@"`, 'sh', BINARY, '--root', cli.store, ...words], {
        encoding: 'utf8',
        env: {...process.env, CHROOTCTL_DRIVER: driver},
        cwd: cli.directory,
        stdio: 'pipe',
      }).trim();
    call('import', busyboxRoot(), 'base');
    call('run', 'base', '--commit=1.0.0', '--', 'sh', '-c', SET_UID);
    call('session', 'begin', 'base', '--name', 'open', '-e', 'TOKEN=secret');
    call('exec', 'open', '--', 'true');

    // Others may come as far as the store, and look into it: what is in it must protect itself.
    execFileSync('chmod', ['0755', cli.directory, cli.store]);
    const mounted = call('session', 'path', 'open');
    // In what is mounted there are devices for everybody.
    expect(
      find(cli.store, '-path', mounted, '-prune', '-o', '!', '-type', 'l', '-perm', '/022', '-print'),
    ).toEqual([]);
    const setUid = find(cli.store, '-type', 'f', '-perm', '-4000');
    expect(setUid).toContain(join(mounted, 'bin/su'));
    const secret = join(cli.store, 'sessions/open.json');
    expect(readFileSync(secret, 'utf8')).toContain('secret');
    for (const path of [...setUid, secret]) {
      expect([path, asNobody('test', '-e', path)]).toEqual([path, 1]);
    }
    expect(asNobody('ls', cli.store)).toBe(0);

    call('session', 'end', 'open');
    expect(call('doctor')).toBe('all is well');
  });
});

/** Paths. */
function find(...words: string[]): string[] {
  return execFileSync('find', words, {encoding: 'utf8'}).split('\n').slice(0, -1);
}

function asNobody(...words: string[]): number | null {
  return spawnSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', ...words]).status;
}
