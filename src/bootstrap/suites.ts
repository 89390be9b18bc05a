/** Which distribution a suite belongs to, and whether it has been released. */
import {isoTime} from '../system/clock.ts';
import {readIfExists} from '../system/files.ts';

export interface Suite {
  distribution: 'debian' | 'ubuntu';
  released: boolean;
}

const DEBIAN: Partial<Record<string, boolean>> = {
  stretch: true,
  buster: true,
  bullseye: true,
  bookworm: true,
  trixie: true,
  stable: true,
  oldstable: true,
  oldoldstable: true,
  testing: false,
  unstable: false,
  sid: false,
  experimental: false,
};

/** What is known of a suite: from the tables of the package distro-info-data where it is installed, else from ours. */
export function lookUpSuite(name: string, today = isoTime().slice(0, 10)): Suite | undefined {
  const own = DEBIAN[name];
  if (own !== undefined) return {distribution: 'debian', released: own};
  for (const distribution of ['debian', 'ubuntu'] as const) {
    const table = readIfExists(`/usr/share/distro-info/${distribution}.csv`);
    const [header = '', ...rows] = (table ?? '').split('\n').map((line) => line.split(','));
    const row = rows.find((cells) => cells[header.indexOf('series')] === name);
    if (row === undefined) continue;
    const release = row[header.indexOf('release')] ?? '';
    return {distribution, released: release !== '' && release <= today};
  }
  return undefined;
}
