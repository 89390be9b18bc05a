import {describe, expect, test} from '@jest/globals';
import fc from 'fast-check';
import {ChrootctlError} from '../src/errors.ts';
import {formatAge, formatSize, parseDuration, parseSize} from '../src/units.ts';

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['512', 512],
    ['512b', 512],
    ['1k', 1024],
    ['64m', 67_108_864],
    ['1.5G', 1_610_612_736],
    ['2GiB', 2_147_483_648],
    ['1tb', 1_099_511_627_776],
  ])('%s is %d bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  test.each(['', '-1', '1x', 'm', '1e3', ' 1', '1 m', 'NaN'])('%j is refused', (text) => {
    expect(() => parseSize(text)).toThrow(ChrootctlError);
  });

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [1_500_000, '1.50 MB'],
    [178_000_000, '178 MB'],
    [99_960, '100 kB'],
    [999_999, '1.00 MB'],
  ])('%d bytes are shown as %s', (bytes, text) => expect(formatSize(bytes)).toBe(text));

  test('at most three digits, whatever the size', () => {
    fc.assert(
      fc.property(fc.nat({max: Number.MAX_SAFE_INTEGER}), (bytes) => {
        expect(formatSize(bytes).replace(/[^\d]/g, '').length).toBeLessThanOrEqual(bytes >= 1e18 ? 5 : 4);
      }),
    );
  });
});

describe('times', () => {
  test.each([
    ['90', 90],
    ['30s', 30],
    ['5m', 300],
    ['2h', 7200],
    ['7d', 604_800],
    ['1w', 604_800],
    ['1h30m', 5400],
    ['0.5s', 0.5],
  ])('%s is %d seconds', (text, seconds) => expect(parseDuration(text)).toBe(seconds));

  test.each(['', 'h', '-5', '5x', '1h 30m', '1m30'])('%j is refused', (text) => {
    expect(() => parseDuration(text)).toThrow(ChrootctlError);
  });

  test.each([
    [0, '0 seconds ago'],
    [1, '1 second ago'],
    [59, '59 seconds ago'],
    [60, '1 minute ago'],
    [86_400 * 3, '3 days ago'],
  ])('%d seconds are %s', (seconds, text) => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(formatAge(new Date(now - seconds * 1000).toISOString(), now)).toBe(text);
  });
});
