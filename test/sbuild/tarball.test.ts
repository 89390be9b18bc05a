/** The tarball for sbuild's mode unshare: where it is, what is in it, and when it is written. */
import {afterEach, beforeEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {busyboxRoot, Cli, cleanUp} from '../cli/chrootctl.ts';
import {USER, withUser} from './user.ts';

afterEach(cleanUp);

let cli: Cli;
let cache: string;

beforeEach(async () => {
  cli = new Cli({driver: 'overlay'});
  cache = join(cli.directory, '.cache/sbuild');
  await cli.ok('import', debianLike(), 'base');
});

/** A root that says what it is. */
function debianLike(): string {
  const root = busyboxRoot();
  writeFileSync(join(root, 'etc/os-release'), 'ID=debian\nVERSION_CODENAME=trixie\n');
  mkdirSync(join(root, 'var/lib/dpkg'), {recursive: true});
  writeFileSync(
    join(root, 'var/lib/dpkg/status'),
    'Package: libc6\nArchitecture: i386\n\nPackage: dpkg\nStatus: install ok installed\nArchitecture: arm64\n',
  );
  execFileSync('mknod', [join(root, 'dev/null'), 'c', '1', '3']);
  return root;
}

const TARBALL = 'trixie-arm64.tar.zst';

function namesIn(tarball: string): string[] {
  return execFileSync('tar', ['--list', '--zstd', '--file', tarball], {encoding: 'utf8'})
    .trimEnd()
    .split('\n');
}

test('it is where sbuild looks for it, by the codename and the architecture of the root', async () => {
  expect(await cli.ok('export', 'base', '--for', 'sbuild')).toBe(join(cache, TARBALL));
  const names = namesIn(join(cache, TARBALL));
  expect(names).toContain('./etc/passwd');
  expect(names.filter((name) => name.startsWith('./dev'))).toEqual(['./dev/']);
  // sbuild takes whatever begins so; nothing else does.
  expect(readdirSync(cache).filter((name) => /^trixie-arm64\.t.+$/.test(name))).toEqual([TARBALL]);
  expect(statSync(join(cache, TARBALL)).mode & 0o777).toBe(0o600);
});

test('an image with the name of a suite is that suite; --dist says another one', async () => {
  await cli.ok('import', debianLike(), 'team/unstable');
  expect(await cli.ok('export', 'team/unstable', '--for', 'sbuild')).toBe(
    join(cache, 'unstable-arm64.tar.zst'),
  );
  const made = await cli.json('export', 'base', '--for', 'sbuild', '--dist', 'trixie-backports');
  expect(made).toMatchObject({
    path: join(cache, 'trixie-backports-arm64.tar.zst'),
    dist: 'trixie-backports',
    architecture: 'arm64',
    image: 'base',
    written: true,
  });
});

test('it is written again only when the version is another one, or somebody has changed it', async () => {
  const path = join(cache, TARBALL);
  const identity = (): number => statSync(path).ino;
  await cli.ok('export', 'base', '--for', 'sbuild');
  const first = identity();
  const again = await cli.call(['export', 'base', '--for', 'sbuild']);
  expect(again).toMatchObject({
    code: 0,
    stdout: `${path}\n`,
    stderr: expect.stringMatching(/is of base@\w+ already/),
  });
  expect(identity()).toBe(first);
  await cli.ok('update', 'base', '-q', '--', 'touch', '/new');
  expect(await cli.json('export', 'base', '--for', 'sbuild')).toMatchObject({written: true});
  expect(namesIn(path)).toContain('./new');
  writeFileSync(path, 'of somebody else');
  expect(await cli.json('export', 'base', '--for', 'sbuild')).toMatchObject({written: true});
  expect(namesIn(path)).toContain('./new');
});

test('XDG_CACHE_HOME says where; a tarball that sbuild may take instead is told of', async () => {
  const home = join(cli.directory, 'elsewhere');
  mkdirSync(join(home, 'sbuild'), {recursive: true});
  for (const name of [
    'trixie-arm64.tar.xz',
    'trixie-sbuild.tgz',
    'trixie-arm64-sbuild.tar',
    'sid-sbuild.tar',
  ])
    writeFileSync(join(home, 'sbuild', name), '');
  const {stdout, stderr} = await cli.call(['export', 'base', '--for', 'sbuild'], {
    env: {XDG_CACHE_HOME: home},
  });
  expect(stdout).toBe(`${join(home, 'sbuild', TARBALL)}\n`);
  const told = [...stderr.matchAll(/sbuild may take (\S+) instead/g)].map(([, name]) => name);
  expect(told.sort()).toEqual(['trixie-arm64-sbuild.tar', 'trixie-arm64.tar.xz', 'trixie-sbuild.tgz']);
});

test('one that is there is refreshed before sbuild takes it for old', async () => {
  const path = join(cache, TARBALL);
  await cli.ok('export', 'base', '--for', 'sbuild');
  const note = join(cache, '.trixie-arm64.chrootctl');
  const days = (count: number): Date => new Date(Date.now() - count * 24 * 3600 * 1000);
  const before = statSync(path).mtimeMs;
  utimesSync(path, days(5), days(5));
  writeFileSync(note, readFileSync(note, 'utf8').replace(String(before), String(statSync(path).mtimeMs)));
  for (let round = 0; round < 2; round++)
    expect(await cli.json('export', 'base', '--for', 'sbuild')).toMatchObject({written: false});
  expect(statSync(path).mtimeMs).toBeGreaterThan(days(1).getTime());
});

test('an answer that cannot be given is told, and what is done with it', async () => {
  const {code, stderr} = await cli.call([], {
    through: ['sh', '-c', '"$1" export base --for sbuild >/dev/full', 'sh'],
  });
  expect([code, stderr]).toEqual([8, expect.stringContaining(join(cache, TARBALL))]);
  expect(existsSync(join(cache, TARBALL))).toBe(true);
});

test('in a directory of somebody else root works as he does', async () => {
  const home = join(cli.directory, 'home');
  mkdirSync(home);
  chownSync(home, USER.uid, USER.uid);
  chmodSync(cli.directory, 0o755);
  const env = {XDG_CACHE_HOME: home};
  const path = await cli.call(['export', 'base', '--for', 'sbuild'], {env});
  expect(path).toMatchObject({code: 0, stdout: `${join(home, 'sbuild', TARBALL)}\n`});
  expect(statSync(join(home, 'sbuild', TARBALL)).uid).toBe(USER.uid);
  // Neither for the tarball nor for the note beside it.
  const victim = join(cli.directory, 'victim');
  writeFileSync(victim, 'mine', {mode: 0o600});
  for (const name of ['.trixie-arm64.chrootctl', '.trixie-arm64.chrootctl.new']) {
    execFileSync('rm', ['-rf', join(home, 'sbuild')]);
    mkdirSync(join(home, 'sbuild'));
    chownSync(join(home, 'sbuild'), USER.uid, USER.uid);
    symlinkSync(victim, join(home, 'sbuild', name));
    expect(await cli.call(['export', 'base', '--for', 'sbuild'], {env})).toMatchObject({code: 0});
    expect(readFileSync(victim, 'utf8')).toBe('mine');
  }
});

test('who called sudo, and is known to nobody, is refused', async () => {
  const env = {SUDO_UID: '54399', SUDO_GID: '54399', SUDO_USER: 'nobody-knows'};
  const {code, stderr} = await cli.call(['export', 'base', '--for', 'sbuild'], {env});
  expect([code, stderr]).toEqual([1, expect.stringContaining('knows no user with the number 54399')]);
  expect(existsSync(cache)).toBe(false);
});

test('behind sudo it is the caller of sudo whose it is, and whose rights count', async () => {
  const home = join(cli.directory, 'home');
  mkdirSync(home);
  chownSync(home, USER.uid, USER.uid);
  chmodSync(cli.directory, 0o755);
  const through = withUser(home);
  const env = {SUDO_UID: String(USER.uid), SUDO_GID: String(USER.uid), SUDO_USER: USER.name};
  const path = join(home, '.cache/sbuild', TARBALL);
  expect(await cli.call(['export', 'base', '--for', 'sbuild'], {through, env})).toMatchObject({
    code: 0,
    stdout: `${path}\n`,
  });
  const {uid, gid} = statSync(path);
  expect([uid, gid, namesIn(path).length > 10]).toEqual([USER.uid, USER.uid, true]);
  // A link of his leads nowhere that he could not write himself.
  const victim = join(cli.directory, 'victim');
  mkdirSync(victim, {mode: 0o755});
  execFileSync('rm', ['-r', join(home, '.cache')]);
  symlinkSync(victim, join(home, '.cache'));
  const refused = await cli.call(['export', 'base', '--for', 'sbuild'], {through, env});
  expect(refused).toMatchObject({code: 6, stdout: ''});
  expect(readdirSync(victim)).toEqual([]);
});

test('a link where the tarball is to be is replaced, not followed', async () => {
  mkdirSync(cache, {recursive: true});
  const victim = join(cli.directory, 'victim');
  writeFileSync(victim, 'mine');
  symlinkSync(victim, join(cache, TARBALL));
  await cli.ok('export', 'base', '--for', 'sbuild');
  expect(readFileSync(victim, 'utf8')).toBe('mine');
  expect(lstatSync(join(cache, TARBALL)).isFile()).toBe(true);
});

test.each([
  [['export', 'base', 'FILE', '--for', 'sbuild'], 2, /takes no FILE/],
  [['export', 'base', '--for', 'sbuild', '--dist', '../x'], 2, /is not a distribution/],
  [['export', 'base', '--for', 'sbuild', '--compression', 'xz'], 2, /cannot also be provided/],
  [['export', 'base', 'FILE', '--dist', 'sid'], 2, /must be provided/],
  [['export', 'none', '--for', 'sbuild'], 3, /there is no image/],
])('%j ends with %d', async (words, code, stderr) => {
  expect(await cli.call(words)).toEqual({code, stdout: '', stderr: expect.stringMatching(stderr)});
  expect(existsSync(cache)).toBe(false);
});

test('a root that is none of Debian is refused', async () => {
  await cli.importRoot('other');
  const {code, stderr} = await cli.call(['export', 'other', '--for', 'sbuild']);
  expect([code, stderr]).toEqual([1, expect.stringContaining('does not say which distribution it is')]);
  const named = await cli.call(['export', 'other', '--for', 'sbuild', '--dist', 'sid']);
  expect([named.code, named.stderr]).toEqual([1, expect.stringContaining('has no dpkg')]);
});

test('a disk that is full leaves what was there, and nothing else', async () => {
  const small = join(cli.directory, 'small');
  mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', small]);
  const outcome = await cli.call(['export', 'base', '--for', 'sbuild'], {env: {XDG_CACHE_HOME: small}});
  expect(outcome).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('No space left on device'),
  });
  expect(readdirSync(join(small, 'sbuild'))).toEqual([]);
});
