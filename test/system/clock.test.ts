import {expect, test} from '@jest/globals';
import fc from 'fast-check';
import {isoTime} from '../../src/system/clock.ts';

test('the time is written as Date writes it, up to the year 9999', () => {
  fc.assert(
    fc.property(fc.integer({min: 0, max: Date.UTC(9999, 11, 31, 23, 59, 59, 999)}), (milliseconds) => {
      expect(isoTime(milliseconds)).toBe(new Date(milliseconds).toISOString());
    }),
    {numRuns: 2000},
  );
});

test.each([
  '1970-01-01T00:00:00.000Z',
  '1999-12-31T23:59:59.999Z',
  '2000-02-29T12:00:00.001Z',
  '2024-02-29T00:00:00.000Z',
  '2024-03-01T00:00:00.000Z',
  '2100-02-28T23:59:59.999Z',
  '2100-03-01T00:00:00.000Z',
])('%s', (text) => {
  expect(isoTime(Date.parse(text))).toBe(text);
});

test('without a time it is now', () => {
  const before = new Date().toISOString();
  const now = isoTime();
  expect(now >= before && now <= new Date().toISOString()).toBe(true);
});
