/**
 * A Debian root with the archive's lists, and with the packages that are to be installed in it downloaded: one run of
 * the tests asks the mirror, those after it find all they need.
 */
import {createHash} from 'node:crypto';
import {readdirSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {hostSettings, hostSources} from '../../src/bootstrap/host-apt.ts';
import {attempt} from '../../src/system/programs.ts';
import {Cli} from '../cli/chrootctl.ts';
import {cache, debianRootTar, made, suite} from '../debian-root.ts';

const WEEK = 7 * 24 * 3600 * 1000;

/** Path of a tar of it. Made anew every week, and when other packages are asked for. */
export async function rootWithPackages(packages: readonly string[]): Promise<string> {
  const week = Math.floor(Date.now() / WEEK);
  const which = createHash('sha256').update(packages.join('\n')).digest('hex').slice(0, 8);
  return made(`installs-${week}-${suite()}-${process.arch}-${which}.tar`, async (temporary) => {
    // A run that began last week may still be about to read its own.
    removeOlderThan(week - 1);
    const cli = new Cli();
    await cli.ok('import', await debianRootTar(), 'base');
    // Each by itself: some of them cannot be installed together.
    const downloads = packages.map((words) => `apt-get install -qq -d --no-install-recommends ${words}`);
    const script = ['apt-get update -qq --error-on=any', ...downloads].join('\n');
    await cli.ok('update', 'base', ...(await wayToTheArchive()), '--', 'sh', '-ec', script);
    await cli.ok('export', '--compression', 'none', 'base', temporary);
  });
}

function removeOlderThan(week: number): void {
  for (const name of readdirSync(cache())) {
    const its = /^installs-(\d+)-/.exec(name)?.[1];
    if (its !== undefined && Number(its) < week) rmSync(join(cache(), name), {recursive: true});
  }
}

/** Words for a command that asks the archive, where the host does so by a proxy. */
export async function wayToTheArchive(): Promise<string[]> {
  const known: Record<string, string | undefined> = {...(await hostSettings()).environment, ...process.env};
  return ['http_proxy', 'https_proxy'].flatMap((name) => {
    const proxy = known[name];
    return proxy === undefined ? [] : ['-e', `${name}=${proxy}`];
  });
}

/** A name that this host can resolve: its archive's, or its own where a proxy resolves that. */
export async function knownName(): Promise<string> {
  for (const address of hostSources().flatMap(({uris}) => uris)) {
    const {hostname} = new URL(address);
    if (hostname !== '' && (await attempt('getent', ['hosts', hostname])).code === 0) return hostname;
  }
  return 'localhost';
}
