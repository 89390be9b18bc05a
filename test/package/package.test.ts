/** The packages, as they are made for a release, on a system that has nothing else of ours. */
import {afterAll, beforeAll, expect, test} from '@jest/globals';
import {execFileSync, spawnSync} from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {basename, dirname, join} from 'node:path';
import {ownArchitecture} from '../../scripts/package/architecture.ts';
import {bunFor, VERSION} from '../../scripts/package/bun.ts';
import {buildDeb, debianVersion} from '../../scripts/package/deb.ts';
import {debianChangelog} from '../../scripts/package/documents.ts';
import {buildNpm} from '../../scripts/package/npm.ts';
import {entering} from '../../scripts/package/tour.ts';
import {busyboxRoot, CHECKOUT} from '../cli/chrootctl.ts';
import {debianRootTar, unpackedRoot} from '../debian-root.ts';

let place = '';
let deb = '';
let newer = '';
/** What is in the package, unpacked. */
let content = '';

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'chrootctl-package-test-'));
  deb = await buildDeb(ownArchitecture(), place, {compression: 'none'});
  newer = await buildDeb(ownArchitecture(), place, {compression: 'none', version: '99.0.0-rc.1'});
  content = join(place, 'content');
  execFileSync('dpkg-deb', ['-x', deb, content]);
}, 300_000);
// One file system: were something still mounted below, it must not be deleted through.
afterAll(() => {
  execFileSync('rm', ['-rf', '--one-file-system', place]);
}, 300_000);

function chrootctlOf(tree: string, words: readonly string[]): string {
  return execFileSync(join(tree, 'chrootctl'), words, {encoding: 'utf8'});
}

test('owners, modes and places are what they should be', () => {
  const lines = execFileSync('dpkg-deb', ['-c', deb], {encoding: 'utf8'}).trimEnd().split('\n');
  expect(lines.filter((line) => !/^(?:[d-]rw[-x]r-[-x]r-[-x]|lrwxrwxrwx) root\/root /.test(line))).toEqual(
    [],
  );
  expect(lines.filter((line) => line.startsWith('l')).map((line) => line.replace(/^.* \.\//, './'))).toEqual([
    './usr/bin/autopkgtest-virt-chrootctl -> ../lib/chrootctl/autopkgtest-virt-chrootctl',
    './usr/bin/chrootctl -> ../lib/chrootctl/chrootctl',
  ]);
  const places = [
    'bin/autopkgtest-virt-chrootctl',
    'bin/chrootctl',
    'lib/chrootctl/',
    'lib/systemd/system/chrootctl-gc.',
    'share/doc/chrootctl/',
  ]
    .concat('share/lintian/overrides/chrootctl')
    .map((path) => `./usr/${path}`);
  const paths = lines.map((line) => line.replace(/^.*? (?=\.\/)/, ''));
  expect(paths.filter((path) => !places.some((one) => path.startsWith(one) || one.startsWith(path)))).toEqual(
    [],
  );
  const needless = /node_modules|contents\.json|dist\/(?:index|chunks|types|\.cache)|\.ts$|\.map$/;
  expect(lines.filter((line) => needless.test(line))).toEqual([]);
});

test('nothing tells where it was made', () => {
  const found = ['--recursive', '--files-with-matches', '--fixed-strings'];
  const places = [CHECKOUT, place, join(tmpdir(), 'chrootctl-')].flatMap((path) => ['-e', path]);
  expect(spawnSync('grep', [...found, ...places, content], {encoding: 'utf8'}).stdout).toBe('');
});

test('the same sources make the same package', () => {
  const sums = (file: string): string[] =>
    execFileSync('dpkg-deb', ['-I', file, 'md5sums'], {encoding: 'utf8'})
      .split('\n')
      // The version is in it.
      .filter((line) => !line.endsWith('changelog.gz'));
  expect(sums(deb)).toEqual(sums(newer));
  expect(sums(deb).join('\n')).toContain('usr/lib/chrootctl/chrootctl');
});

test('its code is in it, and compiled', async () => {
  const size = statSync(join(content, 'usr/lib/chrootctl/dist/chrootctl')).size;
  const runtime = statSync(await bunFor(ownArchitecture())).size;
  // Compiled code takes several times the room of its source, which is in the bundles twice and more.
  const [{size: source}] = [statSync(join(CHECKOUT, 'dist/commands/run.cjs'))];
  expect(size - runtime).toBeGreaterThan(10 * source);
});

test('all commands are there, and help is', () => {
  const tree = join(content, 'usr/lib/chrootctl');
  expect(chrootctlOf(tree, ['run', '--help'])).toContain('$ chrootctl run REF');
  expect(chrootctlOf(tree, [])).toContain('bootstrap');
  const commands = readdirSync(join(CHECKOUT, 'dist/commands')).map((file) => file.replace(/\.cjs$/, ''));
  expect(commands.length).toBeGreaterThan(25);
  for (const command of commands) {
    const words = [...command.split('.'), '--no-such-flag'];
    const {status, stderr} = spawnSync(join(tree, 'chrootctl'), words, {encoding: 'utf8'});
    expect({command, status, stderr}).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('no-such-flag'),
    });
  }
});

test('what is meant for other programs of its runtime does not reach it, and it writes nothing of its own', () => {
  const file = join(content, 'usr/lib/chrootctl/chrootctl');
  const directory = join(place, 'hostile');
  mkdirSync(join(directory, 'home'), {recursive: true});
  const preload = "console.log('preloaded'); process.exit(7);";
  const files = {
    '.env': `CHROOTCTL_ROOT=${directory}/other\nCHROOTCTL_DRIVER=none`,
    'bunfig.toml': 'preload = ["./preload.js"]',
    'package.json': '{"type": "module", "imports": {"node:fs": "./preload.js"}',
    'preload.js': preload,
    'tsconfig.json': '{"compilerOptions": {"paths": {"node:fs": ["./preload.js"]}}}',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const store = join(directory, 'store');
  const home = join(directory, 'home');
  for (const variables of [
    {},
    {BUN_BE_BUN: '1'},
    {BUN_OPTIONS: '--preload ./preload.js'},
    {BUN_INSPECT: '1'},
    {BUN_INSPECT_PRELOAD: './preload.js'},
    {BUN_CONFIG_VERBOSE_FETCH: '1'},
    {BUN_RUNTIME_TRANSPILER_CACHE_PATH: home},
    {BUN_JSC_dumpOptions: '2'},
    {NODE_OPTIONS: '--no-such-option'},
  ]) {
    const env = {
      PATH: process.env['PATH'],
      HOME: home,
      TMPDIR: home,
      XDG_CACHE_HOME: home,
      CHROOTCTL_ROOT: store,
      ...variables,
    };
    const {status, stdout, stderr} = spawnSync(file, ['images', '--json'], {
      encoding: 'utf8',
      cwd: directory,
      env,
    });
    expect({variables, status, stdout, stderr}).toEqual({variables, status: 0, stdout: '[]\n', stderr: ''});
  }
  expect(readdirSync(directory).sort()).toEqual([...Object.keys(files), 'home', 'store'].sort());
  expect(readdirSync(home)).toEqual([]);
});

test('where its runtime could not come up, that is said in a line', () => {
  const file = join(content, 'usr/lib/chrootctl/chrootctl');
  const ways = {
    'umount --lazy /proc': /^chrootctl: \/proc is needed, and not mounted here: mount -t proc proc \/proc\n$/,
    'ulimit -v 1000000':
      /^chrootctl: too little memory may be addressed here: raise the limit \(ulimit -v unlimited\)\n$/,
    'ulimit -n 12': /^chrootctl: too few files may be open here: raise the limit \(ulimit -n 1024\)\n$/,
  };
  for (const [way, expected] of Object.entries(ways)) {
    for (const [word, code] of Object.entries({run: 125, exec: 125, images: 1, '--version': 1})) {
      const script = `${way} && exec "$0" "$@"`;
      const words = ['--mount', '--propagation', 'private', 'sh', '-c', script, file, word];
      const {status, stdout, stderr} = spawnSync('unshare', words, {encoding: 'utf8'});
      expect({way, word, status, stdout, stderr}).toEqual({
        way,
        word,
        status: code,
        stdout: '',
        stderr: expect.stringMatching(expected),
      });
    }
  }
});

test('licences of the runtime and of every bundled package are in it', () => {
  const text = readFileSync(join(content, 'usr/share/doc/chrootctl/copyright'), 'utf8');
  expect(text).toContain('License: Apache-2.0');
  expect(text).toContain(' Bun (https://github.com/oven-sh/bun) is under the MIT licence:');
  for (const name of ['@oclif/core', 'execa', 'yaml', 'semver'])
    expect(text).toContain(` The npm package ${name} `);
});

test('versions and changelog are Debian’s', () => {
  expect(['1.2.3', '1.2.3-rc.1', '1.2.3-a-b'].map(debianVersion)).toEqual([
    '1.2.3',
    '1.2.3~rc.1',
    '1.2.3~a.b',
  ]);
  const file = join(place, 'changelog');
  writeFileSync(file, debianChangelog('1.2.3', 1_600_000_000));
  expect(readFileSync(file, 'utf8')).toMatch(/^chrootctl \(1\.2\.3\) unstable; urgency=medium\n\n {2}\* /);
  expect(readFileSync(file, 'utf8')).toMatch(/\n\n -- .* <.*> {2}Sun, 13 Sep 2020 12:26:40 \+0000\n$/);
});

/** In the root: what an administrator does, from installing to purging, and what is looked at in between. */
const LIFE = `set -eu
export DEBIAN_FRONTEND=noninteractive
step() { echo "step: $*"; }
all() { ls -d /usr/bin/chrootctl /usr/bin/autopkgtest-virt-chrootctl /usr/lib/chrootctl /usr/share/doc/chrootctl /var/lib/chrootctl /var/cache/chrootctl \\
  /usr/share/lintian/overrides/chrootctl /usr/lib/systemd/system/chrootctl-gc.* \\
  /etc/systemd/system/timers.target.wants/chrootctl-gc.timer /var/lib/systemd/deb-systemd-helper-enabled/chrootctl-gc* \\
  2>/dev/null || :; }
unchanged() { dpkg --verify chrootctl; find /usr/lib/chrootctl -newer /stamp; }

apt-get update -qq
apt-get install -y -qq --no-install-recommends "/$1" >/dev/null
touch /stamp
! command -v node
step installed
mount --bind -o ro /usr/lib/chrootctl /usr/lib/chrootctl 2>/dev/null && mount -o remount,bind,ro /usr/lib/chrootctl
chrootctl --version
sh /tour.sh
chrootctl doctor
umount /usr/lib/chrootctl
chrootctl images
unchanged
readlink /etc/systemd/system/timers.target.wants/chrootctl-gc.timer
step toured

chrootctl import /small kept
# As after a crash: the service, with the environment that a service has.
chrootctl run kept -- /bin/busybox sleep 1000 &
until chrootctl ps | grep -q running; do sleep 0.1; done
kill -9 $!
wait $! || :
sleep 1
env -i $(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/chrootctl-gc.service)
chrootctl doctor
step collected

session=$(chrootctl session begin kept)
dpkg -i "/$2" >/dev/null
touch /stamp
dpkg-query -W chrootctl
chrootctl exec "$session" -- /bin/busybox echo still here
# As an older version has made it.
mkdir -p /var/cache/chrootctl/tools
chrootctl session end "$session"
unchanged
step upgraded

dpkg -r chrootctl >/dev/null
all
step removed

dpkg --purge chrootctl
all
find /var/lib/chrootctl/images -name refs.json
step purged with an image

dpkg -i "/$1" >/dev/null
chrootctl run kept -- /bin/busybox echo back again
chrootctl rm --force kept
dpkg --purge chrootctl >/dev/null
all
step purged
`;

test('is installed, used, upgraded, removed and purged in a fresh Debian root', async () => {
  const root = join(place, 'root');
  execFileSync('cp', ['-a', '--reflink=auto', await unpackedRoot(), root]);
  copyFileSync(await debianRootTar(), join(root, 'root.tar'));
  for (const file of [deb, newer]) copyFileSync(file, join(root, basename(file)));
  execFileSync('cp', ['-a', busyboxRoot(), join(root, 'small')]);
  writeFileSync(join(root, 'tour.sh'), shortTour());
  const [program, ...words] = entering(root);
  const life = ['sh', '-c', LIFE, 'sh', basename(deb), basename(newer)];
  const {stdout, stderr, status} = spawnSync(program ?? '', [...words, ...life], {
    encoding: 'utf8',
    env: {PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', LC_ALL: 'C'},
  });
  expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
  const parts = stdout.split(/^step: .*\n/m);
  expect(parts[0]).toBe('');
  expect(parts[1]?.split('\n')[0]).toMatch(new RegExp(`^chrootctl/\\S+ linux-\\S+ bun-v${VERSION}$`));
  expect(parts[1]).toContain('Hello, world!\n');
  expect(parts[1]).toContain('C /etc/motd\n');
  expect(parts[1]).toMatch(/IMAGE +TAGS +VERSION +CREATED +SIZE +MESSAGE\n.*chrootctl-gc\.timer\n$/);
  expect(parts[2]).toMatch(/^\w+\nsession \w+ of kept: its process .* is gone\nall is well\n$/);
  expect(parts[3]).toMatch(/^chrootctl\t99\.0\.0~rc\.1\nstill here\n$/);
  // Whether the timer is enabled is the administrator's until it is purged, as data is.
  expect(parts[4]?.split('\n')).toEqual([
    '/etc/systemd/system/timers.target.wants/chrootctl-gc.timer',
    '/var/cache/chrootctl',
    '/var/lib/chrootctl',
    '/var/lib/systemd/deb-systemd-helper-enabled/chrootctl-gc.timer.dsh-also',
    '',
  ]);
  expect(parts[5]).toContain('/var/lib/chrootctl holds images and was kept');
  expect(parts[5]).toMatch(/\n\/var\/lib\/chrootctl\n\/var\/lib\/chrootctl\/images\/kept\/refs\.json\n$/);
  expect(parts[6]).toMatch(/^back again\n/);
  expect(parts[6]).not.toContain('/var/');
  expect(parts[7]).toBe('');
}, 300_000);

/** The tour of examples/, without what it fetches from a mirror. */
function shortTour(): string {
  const script = readFileSync(join(CHECKOUT, 'examples/tour.sh'), 'utf8');
  const hello = String.raw`printf "#!/bin/sh\necho Hello, world!\n" > /usr/bin/hello && chmod 755 /usr/bin/hello`;
  const short = script
    .replace(/^chrootctl bootstrap .*$/m, 'chrootctl import /root.tar tour')
    .replace(/sh -c 'apt-get update .*'$/m, () => `sh -c '${hello}'`);
  expect(short).not.toMatch(/bootstrap "|apt-get/);
  return short;
}

test('the npm package is installed globally without fetching or building anything', () => {
  const file = buildNpm(place);
  const prefix = join(place, 'prefix');
  mkdirSync(prefix);
  const env = {
    PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
    HOME: prefix,
    CHROOTCTL_ROOT: join(place, 'store'),
  };
  const install = ['install', '--global', '--offline', '--prefix', prefix, file];
  const installed = spawnSync('npm', install, {encoding: 'utf8', cwd: prefix, env});
  expect([installed.status, installed.stderr]).toEqual([0, '']);
  expect(readdirSync(join(prefix, 'lib/node_modules'))).toEqual(['chrootctl']);
  const home = join(prefix, 'lib/node_modules/chrootctl');
  expect(readdirSync(home)).not.toContain('node_modules');
  const chrootctl = (...words: string[]): string =>
    execFileSync(join(prefix, 'bin/chrootctl'), words, {encoding: 'utf8', env, cwd: prefix});
  expect(chrootctl('--version')).toMatch(/^chrootctl\/\S+ linux-\S+ node-v\d+/);
  chrootctl('import', busyboxRoot(), 'base');
  expect(chrootctl('run', 'base', '--', 'echo', 'from', 'npm')).toBe('from npm\n');
  expect(readFileSync(join(home, 'THIRD-PARTY-LICENSES.md'), 'utf8')).toContain('## @oclif/core ');
  expect(readFileSync(join(home, 'dist/types/src/index.d.ts'), 'utf8')).toContain('Store');
  rmSync(prefix, {recursive: true});
}, 300_000);
