/** How the host's own apt is set up: its sources, and how it reaches them. */
import {readFileSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {errnoOf} from '../errors.ts';
import {readIfExists} from '../system/files.ts';
import {run} from '../system/programs.ts';
import {parseDeb822, parseOneLine, type AptSource} from './apt-sources.ts';
import type {Host} from './choose.ts';

const APT = '/etc/apt';

/** All sources, in the order in which apt reads them. */
export function hostSources(directory = APT): AptSource[] {
  const parts = join(directory, 'sources.list.d');
  return [
    ...parseOneLine(readIfExists(join(directory, 'sources.list')) ?? ''),
    ...namesIn(parts).flatMap((name) => {
      if (name.endsWith('.list')) return parseOneLine(readFileSync(join(parts, name), 'utf8'));
      return name.endsWith('.sources') ? parseDeb822(readFileSync(join(parts, name), 'utf8')) : [];
    }),
  ];
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

export function thisHost(file = '/etc/os-release'): Host {
  const text = readIfExists(file) ?? '';
  const value = (key: string): string | undefined =>
    new RegExp(`^${key}="?([^"\n]*)"?$`, 'm').exec(text)?.[1];
  return {distribution: value('ID') ?? 'debian', codename: value('VERSION_CODENAME')};
}

export interface AptSettings {
  /** Options that the new root needs as well, because its sources do. */
  options: string[];
  /** Environment for apt. A proxy may carry a password, which must not end up in an image. */
  environment: Record<string, string>;
}

/** Options about the archives themselves: a mirror frozen in time is out of date by design. */
const KEPT = /^Acquire::(Check-Valid-Until|Check-Date|Max-FutureTime|Retries|ForceIPv4|ForceIPv6) "(.*)";$/;
const PROXY = /^Acquire::(https?)::Proxy "(.+)";$/;

/** @throws ChrootctlError FAILED when apt is not installed */
export async function hostSettings(): Promise<AptSettings> {
  const settings: AptSettings = {options: [], environment: {}};
  const configuration = process.env['APT_CONFIG'];
  const env = configuration === undefined ? {} : {APT_CONFIG: configuration};
  for (const line of (await run('apt-config', ['dump', 'Acquire'], {env})).split('\n')) {
    const kept = KEPT.exec(line);
    const proxy = PROXY.exec(line);
    if (kept !== null) settings.options.push(`Acquire::${kept[1] ?? ''} "${kept[2] ?? ''}"`);
    if (proxy !== null) settings.environment[`${proxy[1] ?? ''}_proxy`] ??= proxy[2] ?? '';
  }
  return settings;
}
