/** Debian packages that making or checking a package needs on this host. */
import {spawnSync} from 'node:child_process';
import {accessSync, constants} from 'node:fs';
import {delimiter, join} from 'node:path';
import {say} from './checkout.ts';

/** Whether a program is on PATH, or a file given by its path there. */
export function isThere(witness: string): boolean {
  const path = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`;
  const candidates = witness.startsWith('/')
    ? [witness]
    : path.split(delimiter).map((directory) => join(directory, witness));
  return candidates.some((candidate) => {
    try {
      accessSync(candidate, constants.R_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Installs what is missing, as root, by apt-get: `wanted` gives the package of each program or file. Gives the packages
 * that are missing still.
 */
export function provide(wanted: Readonly<Record<string, string>>): string[] {
  const missing = (): string[] =>
    Object.entries(wanted)
      .filter(([witness]) => !isThere(witness))
      .map(([, name]) => name);
  const names = missing();
  if (names.length === 0 || process.getuid?.() !== 0 || !isThere('apt-get')) return names;
  say(`installing ${names.join(' ')}`);
  const env = {...process.env, DEBIAN_FRONTEND: 'noninteractive'};
  for (const words of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...names],
  ]) {
    const {status, stderr} = spawnSync('apt-get', words, {
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
      env,
    });
    if (status !== 0) say(`apt-get ${words[0] ?? ''} failed: ${stderr.trim().split('\n').at(-1) ?? ''}`);
  }
  return missing();
}
