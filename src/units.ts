/** Sizes and times as users write and read them: docker's `512m`, systemd's `2h`, and back. */
import {ChrootctlError} from './errors.ts';

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};
const TIME_UNITS: Readonly<Record<string, number>> = {'': 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800};

/** Bytes of `512m`, `1.5G`, `2GiB` (powers of 1024, as docker has it). @throws ChrootctlError USAGE */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(?:([kmgt])(?:i?b)?|b)?$/i.exec(text);
  if (match === null) throw usage(text, 'a size', '512m or 2g');
  return Math.round(Number(match[1]) * (SIZE_UNITS[(match[2] ?? '').toLowerCase()] ?? 1));
}

/** Seconds of `90`, `30s`, `5m`, `2h`, `7d`, `1h30m`. @throws ChrootctlError USAGE */
export function parseDuration(text: string): number {
  if (!/^(?:\d+(?:\.\d+)?[smhdw])+$|^\d+(?:\.\d+)?$/i.test(text))
    throw usage(text, 'a time', '30s, 5m, 2h or 7d');
  return [...text.matchAll(/(\d+(?:\.\d+)?)([smhdw]?)/gi)].reduce(
    (sum, [, number, unit = '']) => sum + Number(number) * (TIME_UNITS[unit.toLowerCase()] ?? 1),
    0,
  );
}

/** `1.5 MB`: powers of 1000, three digits at most, as docker prints them. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < DECIMAL_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${DECIMAL_UNITS[unit] ?? ''}`;
}

const DECIMAL_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** How long ago, in the largest unit that fits: `3 hours ago`. */
export function formatAge(iso: string, now = Date.now()): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(iso)) / 1000));
  const age = AGES.find((one) => seconds >= one.seconds) ?? SECOND;
  const count = Math.floor(seconds / age.seconds);
  return `${count} ${age.unit}${count === 1 ? '' : 's'} ago`;
}

const SECOND = {unit: 'second', seconds: 1};
const AGES: readonly {unit: string; seconds: number}[] = [
  {unit: 'year', seconds: 31_557_600},
  {unit: 'month', seconds: 2_629_800},
  {unit: 'week', seconds: 604_800},
  {unit: 'day', seconds: 86_400},
  {unit: 'hour', seconds: 3600},
  {unit: 'minute', seconds: 60},
];

function usage(text: string, kind: string, example: string): ChrootctlError {
  return new ChrootctlError('USAGE', `'${text}' is not ${kind}`, {hint: `write for instance ${example}`});
}
