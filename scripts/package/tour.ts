/** The README's tour, by the installed package, in a root that has never seen anything of this checkout. */
import {spawnSync} from 'node:child_process';
import {copyFileSync, mkdirSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {basename, join} from 'node:path';
import {bootstrap} from '../../src/bootstrap.ts';
import {hostSettings} from '../../src/bootstrap/host-apt.ts';
import {CHECKOUT, say} from './checkout.ts';

/** In the root: installs the package, does the tour, and takes the package away again. */
const SCRIPT = `set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq "/$1" >/dev/null
chrootctl --version
sh /tour.sh
chrootctl gc
chrootctl doctor
dpkg --verify chrootctl
apt-get purge -y -qq chrootctl >/dev/null
for left in /usr/lib/chrootctl /usr/bin/chrootctl /usr/bin/autopkgtest-virt-chrootctl /var/lib/chrootctl /var/cache/chrootctl; do
  if [ -e "$left" ]; then echo "$left is left"; exit 1; fi
done
`;

/** Mounts what a root needs to be worked in, where nobody else sees it and it goes with the last process of it. */
export const ENTER = `root=$1 && shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
cp --remove-destination /etc/resolv.conf "$root/etc/resolv.conf"
exec chroot "$root" "$@"`;

/** The words that run a command in `root`: the program and its first arguments. */
export function entering(root: string): string[] {
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-euc', ENTER, 'sh', root];
}

/**
 * Whether the tour goes through in a root of `suite`. Its output is shown. `mirror`: as `bootstrap --mirror` has it, for
 * a suite that is not in the host's sources.
 */
export async function tour(deb: string, suite: string, mirror?: string): Promise<boolean> {
  const place = mkdtempSync(join(tmpdir(), 'chrootctl-tour-'));
  try {
    const root = join(place, 'root');
    mkdirSync(root);
    say(`making a root of ${suite}`);
    await bootstrap(suite, root, {mirror});
    copyFileSync(deb, join(root, basename(deb)));
    copyFileSync(join(CHECKOUT, 'examples/tour.sh'), join(root, 'tour.sh'));
    const {environment} = await hostSettings();
    const [file, ...words] = [...entering(root), 'sh', '-c', SCRIPT, 'sh', basename(deb)];
    const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    const {status} = spawnSync(file, words, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: {...environment, PATH: path, HOME: '/root', LC_ALL: 'C.UTF-8'},
    });
    say(`the tour on ${suite} ${status === 0 ? 'went through' : `ended with ${status}`}`);
    return status === 0;
  } finally {
    rmSync(place, {recursive: true, force: true});
  }
}
