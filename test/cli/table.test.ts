import {expect, test} from '@jest/globals';
import {table} from '../../commands/shared/table.ts';

test('columns are as wide as the longest cell', () => {
  expect(
    table(
      ['A', 'B'],
      [
        ['x'.repeat(80), 'y'],
        ['z', ''],
      ],
    ),
  ).toEqual([`A${' '.repeat(82)}B`, `${'x'.repeat(80)}   y`, 'z']);
});

test('a very long cell does not make the other rows as long', () => {
  const tags = Array.from({length: 10_000}, (_, index) => `1.${index}.0`).join(',');
  const lines = table(
    ['IMAGE', 'TAGS'],
    [
      ['base', tags],
      ['base', '-'],
      ['base', 'stable'],
    ],
  );
  expect(lines).toEqual(['IMAGE   TAGS', `base    ${tags}`, 'base    -', 'base    stable']);
  expect(
    table(
      ['TAGS', 'VERSION'],
      [
        [tags, '1'],
        ['-', '2'],
      ],
    )[2],
  ).toBe('-      2');
});
