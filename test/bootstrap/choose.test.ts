import {expect, test} from '@jest/globals';
import {parseOneLine} from '../../src/bootstrap/apt-sources.ts';
import {chooseSources, type Host} from '../../src/bootstrap/choose.ts';
import {lookUpSuite} from '../../src/bootstrap/suites.ts';

const DEBIAN: Host = {distribution: 'debian', codename: 'bookworm'};
const ARCHIVE = 'deb http://mirror.example/debian';
const HOST = [
  `${ARCHIVE} bookworm main contrib`,
  `${ARCHIVE} bookworm-updates main`,
  `${ARCHIVE} bookworm-backports main`,
  'deb http://mirror.example/debian-security bookworm-security main',
  'deb http://third.example/apt bookworm main',
  'deb http://vendor.example/linux/debian bookworm stable',
];

function chosen(lines: string[], suite: string, host = DEBIAN, components?: string[]): string[] {
  const sources = parseOneLine(lines.join('\n'));
  return chooseSources(sources, suite, host, lookUpSuite(suite, '2026-01-01'), components).flatMap((source) =>
    source.suites.map((name) => [source.uris.join(), name, ...source.components].join(' ')),
  );
}

test("the host's suite: its archive, updates and security, nobody else's", () => {
  expect(chosen(HOST, 'bookworm')).toEqual([
    'http://mirror.example/debian bookworm main contrib',
    'http://mirror.example/debian bookworm-updates main',
    'http://mirror.example/debian-security bookworm-security main',
  ]);
});

test('another released suite: the same with its name', () => {
  expect(chosen(HOST, 'trixie')).toEqual([
    'http://mirror.example/debian trixie main contrib',
    'http://mirror.example/debian trixie-updates main',
    'http://mirror.example/debian-security trixie-security main',
  ]);
  expect(chosen(HOST, 'buster').at(-1)).toBe('http://mirror.example/debian-security buster/updates main');
});

test.each(['sid', 'unstable', 'testing', 'nobody-knows'])('%s has no updates and no security', (suite) => {
  expect(chosen(HOST, suite)).toEqual([`http://mirror.example/debian ${suite} main contrib`]);
});

test('no updates where the host has none', () => {
  expect(chosen([`${ARCHIVE} bookworm main`], 'trixie')).toEqual([
    'http://mirror.example/debian trixie main',
  ]);
});

test('the keyring tells the archive of the distribution, wherever it is mirrored', () => {
  const signed =
    'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://cache.example/a bookworm main';
  expect(chosen([...HOST, signed], 'bookworm')[0]).toBe('http://cache.example/a bookworm main');
});

test('a mirror under another name serves when there is no other', () => {
  expect(chosen(['deb http://cache.example/a bookworm main'], 'bookworm')).toEqual([
    'http://cache.example/a bookworm main',
  ]);
});

test('a host that follows an alias', () => {
  const sid: Host = {distribution: 'debian', codename: undefined};
  expect(chosen([`${ARCHIVE} unstable main`], 'bookworm', sid)).toEqual([
    'http://mirror.example/debian bookworm main',
  ]);
});

test("one distribution's sources do not carry the other's suites", () => {
  const ubuntu: Host = {distribution: 'ubuntu', codename: 'noble'};
  const lines = ['noble', 'noble-updates', 'noble-security'].map(
    (suite) => `deb http://mirror.example/ubuntu ${suite} main`,
  );
  expect(chosen(lines, 'bookworm', ubuntu)).toEqual([]);
  expect(chosen(lines, 'jammy', ubuntu)).toHaveLength(3);
  expect(chosen([], 'bookworm')).toEqual([]);
});

test('asked components replace those of the host', () => {
  expect(chosen(HOST, 'bookworm', DEBIAN, ['main', 'non-free'])[0]).toBe(
    'http://mirror.example/debian bookworm main non-free',
  );
});
