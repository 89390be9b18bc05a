import {expect, test} from '@jest/globals';
import {table} from '../../commands/shared/table.ts';
import {versionTree} from '../../commands/shared/version-tree.ts';
import type {ListedVersion} from '../../src/images/list.ts';

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

test('a version may have more heirs than a call takes arguments', () => {
  const version = (id: string, parent: string | null): ListedVersion => ({
    ...{image: 'base', version: id, parent, tags: [], created: '2026-01-01T00:00:00.000Z'},
    ...{size: 0, message: '', labels: {}},
  });
  const heirs = Array.from({length: 200_000}, (_, index) => version(`h${index}`, 'first'));
  const lines = versionTree([...heirs, version('first', null)]);
  expect(lines.length).toBe(200_001);
  expect(lines.at(-1)).toMatch(/^└─ base@h0 /);
});
