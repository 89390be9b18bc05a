/** Peers come from Debian, and only when a section needs them. */
import {execFileSync, spawnSync} from 'node:child_process';
import {existsSync, rmSync, writeFileSync} from 'node:fs';

const POLICY = '/usr/sbin/policy-rc.d';
let isListFresh = false;

/**
 * Installs those of the Debian packages that are missing. No service that comes with them is started, now or at boot.
 * @throws Error with the last words of apt
 */
export function installPackages(names: readonly string[]): void {
  const missing = names.filter((name) => versionOf(name) === undefined);
  if (missing.length === 0) return;
  if (!isListFresh) apt('update', '-qq');
  isListFresh = true;
  // Asked by everything that would start a service (invoke-rc.d(8)); some hosts have one that forbids it anyway.
  const isOurs = !existsSync(POLICY);
  if (isOurs) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', {mode: 0o755});
  try {
    apt('install', '-y', '-qq', '--no-install-recommends', ...missing);
  } finally {
    if (isOurs) rmSync(POLICY);
  }
  if (existsSync('/run/systemd/system')) disableUnits(missing);
}

/** Undefined when it is not installed. */
export function versionOf(name: string): string | undefined {
  const format = '${db:Status-Status} ${Version}';
  const {status, stdout} = spawnSync('dpkg-query', ['-W', '-f', format, name], {encoding: 'utf8'});
  const [state, version] = stdout.split(' ');
  return status === 0 && state === 'installed' ? version : undefined;
}

function apt(...args: readonly string[]): void {
  const env = {...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C'};
  const {status, stderr} = spawnSync('apt-get', args, {
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (status !== 0) throw new Error(stderr.trim().split('\n').at(-1) ?? 'apt-get failed');
}

/** What the packages brought would be started at the next boot. */
function disableUnits(packages: readonly string[]): void {
  const files = execFileSync('dpkg', ['-L', ...packages], {encoding: 'utf8'}).split('\n');
  const units = files.flatMap(
    (file) => /\/systemd\/system\/([^/@]+\.(?:service|socket|timer))$/.exec(file)?.[1] ?? [],
  );
  if (units.length > 0) spawnSync('systemctl', ['disable', '--quiet', ...units], {stdio: 'ignore'});
}
