/** Who the protocol is for: autopkgtest(1) and sbuild(1) themselves, with a Debian root. */
import {beforeAll, beforeEach, expect, test} from '@jest/globals';
import {spawn} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {Cli, outcomeOf, type Outcome} from '../cli/chrootctl.ts';
import {builderRootTar, ROOT_TIMEOUT} from '../debian-root.ts';
import {keepForAllTests, temporaryDirectory} from '../temporary.ts';
import {SERVER} from './caller.ts';
import {sourcePackage, sourceTree} from './packages.ts';

let cli: Cli;
let directory: string;

beforeAll(async () => {
  cli = new Cli({driver: 'overlay'});
  await cli.ok('import', await builderRootTar(), 'debian');
  keepForAllTests();
}, ROOT_TIMEOUT);

beforeEach(() => {
  directory = temporaryDirectory();
});

async function call(
  file: string,
  words: readonly string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  // Streams as a shell gives them: of a socket, which it would be else, nobody can open /dev/stderr.
  const script = 'set -o pipefail; "$@" 2>&1 | cat';
  const child = spawn('bash', ['-c', script, 'bash', file, ...words], {
    cwd: directory,
    env: {
      PATH: `${dirname(SERVER)}:${process.env['PATH'] ?? ''}`,
      HOME: directory,
      LC_ALL: 'C.UTF-8',
      CHROOTCTL_ROOT: cli.store,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return outcomeOf(child);
}

async function expectNothing(): Promise<void> {
  expect(await cli.json('ps')).toEqual([]);
  expect(readdirSync(join(cli.store, 'mnt'))).toEqual([]);
  expect(await cli.ok('doctor')).toBe('all is well');
}

/** What autopkgtest's summary says of each test. */
function summaryIn(out: string): Record<string, string> {
  const lines = readFileSync(join(out, 'summary'), 'utf8').trimEnd().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/\s+/, 2) as [string, string]));
}

test('autopkgtest: tests by root and by a user, one that fails, one that is skipped, one that breaks the testbed', async () => {
  const tree = sourceTree(directory, 'tried', {
    tests: {
      root: {
        script: 'test "$(id -u)" = 0; touch /usr/trace; echo made >"$AUTOPKGTEST_ARTIFACTS/a b%,é"',
        restrictions: 'needs-root',
      },
      user: {script: 'test "$(id -u)" != 0; test -w "$AUTOPKGTEST_TMP"; test -e /usr/trace'},
      fails: {script: 'exit 3'},
      skipped: {script: 'exit 77', restrictions: 'skippable'},
      breaks: {script: 'rm -rf /etc/passwd /usr/share', restrictions: 'needs-root, breaks-testbed'},
      whole: {script: 'test -d /usr/share; test ! -e /usr/trace; id root', restrictions: 'needs-root'},
    },
  });
  const out = join(directory, 'out');
  const outcome = await call('autopkgtest', [
    '--no-built-binaries',
    `${tree}/`,
    '--output-dir',
    out,
    '--',
    'chrootctl',
    'debian',
  ]);
  // Some failed, and some were skipped (autopkgtest(1), exit status).
  expect(outcome).toMatchObject({code: 6});
  expect(summaryIn(out)).toEqual({
    root: 'PASS',
    user: 'PASS',
    fails: 'FAIL',
    skipped: 'SKIP',
    breaks: 'PASS',
    whole: 'PASS',
  });
  expect(readFileSync(join(out, 'artifacts/a b%,é'), 'utf8')).toBe('made\n');
  await expectNothing();
});

test('autopkgtest: a package is built, installed and tried, with limits and no network', async () => {
  const tree = sourceTree(directory, 'built', {
    tests: {runs: {script: 'test "$(built)" = Hello', depends: '@'}},
  });
  const out = join(directory, 'out');
  const flags = ['--memory', '1G', '--pids-limit', '500', '--network', 'none'];
  const words = [`${tree}/`, '--output-dir', out, '--', 'chrootctl', 'debian', ...flags];
  const outcome = await call('autopkgtest', words);
  if (outcome.code !== 0) throw new Error(outcome.stdout);
  expect(summaryIn(out)).toEqual({runs: 'PASS'});
  await expectNothing();
});

test('autopkgtest: an image that is not there is told', async () => {
  const tree = sourceTree(directory, 'tried', {tests: {any: {script: 'true'}}});
  const {code, stdout} = await call('autopkgtest', ['-B', `${tree}/`, '--', 'chrootctl', 'debain']);
  expect(code).toBe(16);
  expect(stdout).toContain("chrootctl: there is no image 'debain'");
});

test('sbuild builds a package in the mode autopkgtest, by the name chrootctl', async () => {
  const dsc = sourcePackage(directory, 'greeting');
  mkdirSync(join(directory, 'built'));
  const config = join(directory, 'sbuildrc');
  // sbuild looks for programs along a path of its own.
  writeFileSync(config, `$path = '${dirname(SERVER)}:/usr/sbin:/usr/bin:/sbin:/bin';\n1;\n`);
  const words = [
    '--chroot-mode=autopkgtest',
    '--autopkgtest-virt-server=chrootctl',
    '--autopkgtest-virt-server-opt=debian',
    ...[
      '--no-apt-update',
      '--no-apt-upgrade',
      '--no-apt-distupgrade',
      '--no-run-lintian',
      '--no-clean-source',
    ],
    ...['--dist=stable', '--nolog', `--build-dir=${join(directory, 'built')}`, dsc],
  ];
  const outcome = await call('sbuild', words, {SBUILD_CONFIG: config});
  expect(outcome.stdout).toMatch(/^Status: successful$/m);
  expect(outcome.code).toBe(0);
  const made = readdirSync(join(directory, 'built')).filter((name) => name.endsWith('.deb'));
  expect(made).toEqual([expect.stringMatching(/^greeting_1_\w+\.deb$/)]);
  expect(existsSync(join(directory, 'built', made[0] ?? ''))).toBe(true);
  await expectNothing();
});
