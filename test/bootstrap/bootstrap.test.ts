import {spawn, execFileSync} from 'node:child_process';
import {existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, test} from '@jest/globals';
import {bootstrap} from '../../src/bootstrap.ts';
import {bootstrapFailure} from '../../src/bootstrap/failure.ts';
import {thisHost} from '../../src/bootstrap/host-apt.ts';
import {mountsOf} from '../../src/system/mounts.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bootstrap-'));
});
afterAll(() => rmSync(directory, {recursive: true, force: true}));

function empty(name: string): string {
  mkdirSync(join(directory, name));
  return join(directory, name);
}

const suite = thisHost().codename ?? 'stable';

test("a root of the host's suite from the host's sources", async () => {
  const root = empty('root');
  const lines: string[] = [];
  await bootstrap(suite, root, {variant: 'minbase', onProgress: (line) => lines.push(line)});
  expect(lines.join('\n')).toMatch(/running apt-get update/);
  const inside = (...command: string[]): string =>
    execFileSync('chroot', [root, ...command], {encoding: 'utf8'});
  expect(readFileSync(join(root, 'etc/os-release'), 'utf8')).toContain(suite);
  expect(inside('dpkg-query', '-W', '-f', '${db:Status-Abbrev}', 'apt').trim()).toBe('ii');
  const owners = inside('stat', '-c', '%U:%G %a', '/etc/shadow', '/usr/bin/passwd');
  expect(owners).toBe('root:shadow 640\nroot:root 4755\n');
  const devices = readdirSync(join(root, 'dev')).filter((name) => {
    const stat = lstatSync(join(root, 'dev', name));
    return stat.isCharacterDevice() || stat.isBlockDevice();
  });
  expect(devices).toEqual([]);
  expect(mountsOf().filter(({mountPoint}) => mountPoint.startsWith(directory))).toEqual([]);
}, 300_000);

test('an unknown suite', async () => {
  await expect(bootstrap('no-such-suite', empty('unknown'))).rejects.toMatchObject({
    code: 'FAILED',
    message: expect.stringContaining('no-such-suite'),
    hint: expect.stringContaining('--mirror'),
  });
});

test('a mirror that cannot be reached', async () => {
  // Port 9 of this machine: nobody listens.
  await expect(
    bootstrap(suite, empty('unreachable'), {mirror: 'http://127.0.0.1:9/debian'}),
  ).rejects.toMatchObject({
    code: 'FAILED',
    message: expect.stringContaining('cannot be reached'),
  });
});

test.each([
  ['--help', {}],
  ['../x', {}],
  [suite, {variant: 'huge'}],
  [suite, {include: ['--evil']}],
  [suite, {include: ['a b']}],
  [suite, {mirror: '--evil'}],
  [suite, {mirror: 'a-word'}],
])('words that mean nothing are refused before anything runs (%s %j)', async (name, options) => {
  const target = empty(`words-${readdirSync(directory).length}`);
  await expect(bootstrap(name, target, options)).rejects.toMatchObject({
    code: 'USAGE',
    hint: expect.any(String),
  });
  expect(readdirSync(target)).toEqual([]);
});

test('killed in the middle, it leaves no mounts and no processes', async () => {
  const root = empty('killed');
  const script = `import {bootstrap} from ${JSON.stringify(join(import.meta.dirname, '../../src/bootstrap.ts'))};
    await bootstrap(${JSON.stringify(suite)}, ${JSON.stringify(root)}, {variant: 'essential', onProgress: (line) => console.log(line)});`;
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const ended = new Promise((resolve) => child.once('exit', resolve));
  for await (const text of child.stdout.setEncoding('utf8') as AsyncIterable<string>) {
    if (/extracting|downloading/.test(text)) child.kill('SIGKILL');
  }
  await ended;
  // The kernel tears the namespace down after its first process is gone.
  for (let tries = 0; holders(root).length > 0 && tries < 100; tries++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(holders(root)).toEqual([]);
  expect(mountsOf().filter(({mountPoint}) => mountPoint.startsWith(root))).toEqual([]);
  expect(existsSync(join(root, 'var'))).toBe(true);
});

/** The processes whose command line names a directory. */
function holders(path: string): string[] {
  return readdirSync('/proc')
    .filter((pid) => /^[0-9]+$/.test(pid) && pid !== String(process.pid))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(path);
      } catch {
        return false; // Gone meanwhile.
      }
    });
}

test.each([
  ["E: The repository 'http://m.example/debian x Release' does not have a Release file.", /no suite x/],
  [
    "W: Failed to fetch http://m.example/InRelease  Temporary failure resolving 'm.example'",
    /cannot be reached/,
  ],
  ['E: Unable to locate package nosuch', /package was not found/],
  ['bwrap: execvp mmdebstrap: No such file or directory', /cannot start mmdebstrap/],
  ['E: something else went wrong\nE: mmdebstrap failed to run', /something else went wrong/],
])('%s', (stderr, message) => {
  const error = bootstrapFailure('x', stderr);
  expect(error.code).toBe('FAILED');
  expect(error.message).toMatch(message);
  expect(error.hint).toBeTruthy();
});
