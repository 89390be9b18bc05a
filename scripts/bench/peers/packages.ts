/** Peers come from Debian, and only when a section needs them. */
import {spawnSync} from 'node:child_process';
import {existsSync, rmSync, writeFileSync} from 'node:fs';
import {call} from '../harness/processes.ts';

const POLICY = '/usr/sbin/policy-rc.d';
const wanted = new Set<string>();

/**
 * Installs those of the Debian packages that are missing. No service that comes with them is started, now or at boot.
 * @throws Error with the last words of apt
 */
export function installPackages(names: readonly string[]): void {
  for (const name of names) wanted.add(name);
  const missing = names.filter((name) => versionOf(name) === undefined);
  if (missing.length === 0) return;
  apt('update', '-qq');
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

/** Of all that was wanted and could be had. */
export function describePackages(): string[] {
  return [...wanted].map((name) => `${name} ${versionOf(name) ?? '(not installed)'}`);
}

function versionOf(name: string): string | undefined {
  const format = '${db:Status-Status} ${Version}';
  const {status, stdout} = spawnSync('dpkg-query', ['-W', '-f', format, name], {encoding: 'utf8'});
  const [state, version] = stdout.split(' ');
  return status === 0 && state === 'installed' ? version : undefined;
}

function apt(...args: readonly string[]): void {
  call({words: ['apt-get', ...args], env: {DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C'}});
}

/** What the packages brought would be started at the next boot. */
function disableUnits(packages: readonly string[]): void {
  const files = call({words: ['dpkg', '-L', ...packages]}).split('\n');
  const units = files.flatMap(
    (file) => /\/systemd\/system\/([^/@]+\.(?:service|socket|timer))$/.exec(file)?.[1] ?? [],
  );
  if (units.length > 0) spawnSync('systemctl', ['disable', '--quiet', ...units], {stdio: 'ignore'});
}
