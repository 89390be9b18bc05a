/** sbuild(1) itself in its mode unshare, as an ordinary user, with the tarball that it finds. */
import {afterEach, expect, test} from '@jest/globals';
import {execFileSync, spawn} from 'node:child_process';
import {chownSync, chmodSync, mkdirSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {sourcePackage} from '../autopkgtest/packages.ts';
import {Cli, cleanUp, outcomeOf} from '../cli/chrootctl.ts';
import {builderRootTar, ROOT_TIMEOUT} from '../debian-root.ts';
import {readIfExists} from '../../src/system/files.ts';
import {asUser, USER, withUser} from './user.ts';

afterEach(cleanUp);

/** Ubuntu's AppArmor keeps ordinary users from what the mode is made of (kernel.apparmor_restrict_unprivileged_userns). */
const isRefused = readIfExists('/proc/sys/kernel/apparmor_restrict_unprivileged_userns')?.trim() === '1';

(isRefused ? test.skip : test)(
  'a package is built in the root of an image',
  async () => {
    const cli = new Cli({driver: 'overlay'});
    await cli.ok('import', await builderRootTar(), 'debian');
    const home = join(cli.directory, 'home');
    mkdirSync(home);
    sourcePackage(home, 'greeting');
    execFileSync('chown', ['-R', `${USER.uid}:${USER.uid}`, home]);
    chownSync(cli.directory, 0, 0);
    chmodSync(cli.directory, 0o755);
    const env = {SUDO_UID: String(USER.uid), SUDO_GID: String(USER.uid), SUDO_USER: USER.name};
    const exported = await cli.call(['export', 'debian', '--for', 'sbuild', '--dist', 'stable'], {
      through: withUser(home),
      env,
    });
    expect(exported).toMatchObject({code: 0, stderr: ''});
    const [file = '', ...words] = [
      ...asUser(home),
      ...[
        'sbuild',
        '--chroot-mode=unshare',
        '--dist=stable',
        '--nolog',
        '--no-run-lintian',
        '--no-clean-source',
      ],
      ...['--no-apt-update', '--no-apt-upgrade', '--no-apt-distupgrade', 'greeting_1.dsc'],
    ];
    const {stdout, code} = await outcomeOf(
      spawn(file, words, {cwd: home, stdio: ['ignore', 'pipe', 'pipe']}),
    );
    expect(stdout).toMatch(/^Status: successful$/m);
    expect(stdout).toContain(`Unpacking ${home}/.cache/sbuild/stable-`);
    expect(code).toBe(0);
    expect(readdirSync(home).filter((name) => name.endsWith('.deb'))).toHaveLength(1);
  },
  ROOT_TIMEOUT,
);
