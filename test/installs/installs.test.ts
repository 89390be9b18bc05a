/**
 * What people install in a root, installed from the real archive by the real binary, and tried. A run of the suite takes
 * what is quick; `npm run installs` takes all, and upgrades to the next release.
 */
import {afterAll, beforeAll, describe, expect, test} from '@jest/globals';
import {join} from 'node:path';
import {Cli} from '../cli/chrootctl.ts';
import {mountLoop} from '../contract/loop.ts';
import {debianRootTar} from '../debian-root.ts';
import {keepForAllTests, temporaryDirectory} from '../temporary.ts';
import {knownName, rootWithPackages, wayToTheArchive} from './base.ts';
import {INSTALLS, type Check} from './table.ts';
import {UPGRADES, upgradeScript} from './upgrades.ts';

const everything = process.env['CHROOTCTL_INSTALLS'] === 'all';
const MINUTES = 60_000;

const QUIETLY = ['env', 'DEBIAN_FRONTEND=noninteractive'];
/** With unsafe-io, dpkg waits for the disk less often: a commit does so once for all. */
const APT_GET = ['apt-get', '-y', '--no-install-recommends', '-o', 'Dpkg::Options::=--force-unsafe-io'];

describe('installs, and works afterwards:', () => {
  const rows = INSTALLS.filter(({everywhere}) => everything || everywhere);
  let cli: Cli;
  let name = '';

  beforeAll(async () => {
    cli = new Cli();
    name = await knownName();
    await cli.ok('import', await rootWithPackages(rows.map(({packages}) => packages)), 'base');
    await cli.ok('session', 'begin', 'base', '--name', 'base');
    keepForAllTests();
  }, 20 * MINUTES);
  afterAll(async () => {
    await cli.ok('session', 'end', 'base');
  });

  for (const {packages, checks} of rows) {
    test(
      packages,
      async () => {
        const image = packages.replaceAll(' ', '-');
        await cli.ok('commit', 'base', image);
        await cli.ok('update', image, '--', ...QUIETLY, ...APT_GET, 'install', ...packages.split(' '));
        for (const check of checks) {
          const {code, stdout, stderr} = await cli.call(wordsOf(check, image, name));
          expect({...check, code, stderr, stdout}).toMatchObject({
            code: 0,
            stdout:
              typeof check.prints === 'string'
                ? expect.stringContaining(check.prints)
                : expect.stringMatching(check.prints),
          });
        }
        await cli.ok('rm', '--force', image);
      },
      10 * MINUTES,
    );
  }
});

/** Servers listen where nobody else does. */
function wordsOf(
  {line, user = 'root', asksNameServer = false}: Check,
  image: string,
  name: string,
): string[] {
  const network = asksNameServer ? ['-e', `KNOWN_NAME=${name}`] : ['--network', 'none'];
  return ['run', image, '-u', user, ...network, '--timeout', '2m', '--', 'sh', '-ec', line];
}

for (const {from, to, drivers} of everything ? UPGRADES : []) {
  test.each(drivers)(
    `upgrades from ${from} to ${to} on %s`,
    async (driver) => {
      const room =
        driver === 'btrfs'
          ? mountLoop('btrfs', temporaryDirectory(), {bytes: 8 * 2 ** 30})
          : temporaryDirectory();
      const cli = new Cli({driver, store: join(room, 'store')});
      await cli.ok('import', await debianRootTar(from), 'root');
      const words = [...(await wayToTheArchive()), '--', ...QUIETLY, 'sh', '-ec', upgradeScript(from, to)];
      await cli.ok('update', 'root', ...words);
      const inside = async (line: string) => cli.ok('run', 'root', '--', 'sh', '-ec', line);
      expect(await inside('. /etc/os-release; echo "$VERSION_CODENAME"')).toBe(to);
      expect(await inside('dpkg --audit; readlink /bin')).toBe('usr/bin');
      expect(await inside("dpkg-query -W -f '${db:Status-Abbrev}\\n' | sort -u")).toBe('ii');
      await cli.ok('rm', '--force', 'root');
    },
    30 * MINUTES,
  );
}
