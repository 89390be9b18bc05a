/** What Debian's own checkers say of a package. */
import {spawnSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {bootstrap} from '../../src/bootstrap.ts';
import {hostSettings, thisHost} from '../../src/bootstrap/host-apt.ts';
import {say} from './checkout.ts';
import {provide} from './host.ts';

/** Whether lintian(1) finds no error. Prints what it finds. */
export function lintian(deb: string): boolean {
  if (!has('lintian')) return false;
  // With --show-overrides it would count what is overridden, and why is in scripts/package/lintian-overrides.
  const {status} = spawnSync('lintian', ['--allow-root', '--fail-on', 'error', deb], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  say(`lintian ${status === 0 ? 'finds no error' : 'is not content'}`);
  return status === 0;
}

/**
 * Whether piuparts(1) can install, remove and purge it, and nothing stays behind. In a root of the host's release, made
 * from its own apt sources.
 */
export async function piuparts(deb: string): Promise<boolean> {
  if (!has('piuparts')) return false;
  const place = mkdtempSync(join(tmpdir(), 'chrootctl-piuparts-'));
  try {
    const suite = thisHost().codename ?? 'stable';
    const root = join(place, 'root');
    mkdirSync(root);
    await bootstrap(suite, root);
    const {environment} = await hostSettings();
    const words = ['-d', suite, '--existing-chroot', root, '--keep-sources-list', '--no-eatmydata'];
    const {status, stdout} = spawnSync('piuparts', [...words, '--log-level', 'info', deb], {
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      env: {...process.env, ...environment, TMPDIR: place},
    });
    process.stdout.write(stdout);
    say(`piuparts ${status === 0 ? 'passes it' : 'does not pass it'}`);
    return status === 0;
  } finally {
    rmSync(place, {recursive: true, force: true});
  }
}

function has(program: string): boolean {
  const missing = provide({[program]: program});
  if (missing.length > 0) say(`${program} is missing, and could not be installed`);
  return missing.length === 0;
}
