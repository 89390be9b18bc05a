import {describe, expect, test} from '@jest/globals';
import fc from 'fast-check';
import {parseListing} from '../../../src/storage/zfs/listing.ts';
import {baseName, checkDataset, liveName, parseSnapshot, Room} from '../../../src/storage/zfs/names.ts';
import {assignments, textOf} from '../../../src/storage/zfs/properties.ts';

describe('texts as properties', () => {
  test('come back, whatever is in them, in values that zfs takes and a line of output holds', () => {
    fc.assert(
      fc.property(fc.array(fc.string({unit: 'binary', maxLength: 3000}), {maxLength: 8}), (strings) => {
        const text = JSON.stringify(strings);
        const set = assignments('chrootctl:x', text);
        for (const [property, value] of set) {
          expect(property).toMatch(/^chrootctl:x(?:\.\d+)?$/);
          expect(value.length).toBeLessThan(4096);
          expect(value).toMatch(/^[\x20-\x7e]*$/);
        }
        expect(JSON.parse(textOf('chrootctl:x', new Map(set)) ?? '')).toEqual(strings);
      }),
    );
  });

  test('of which a part is missing are damaged; one that was never set is none', () => {
    const set = new Map(assignments('chrootctl:x', 'y'.repeat(9000)));
    set.delete('chrootctl:x.1');
    expect(() => textOf('chrootctl:x', set)).toThrow(/chrootctl:x is damaged/);
    expect(textOf('chrootctl:y', set)).toBeUndefined();
  });
});

describe('names', () => {
  test.each([
    'tank',
    '/tank/x',
    'tank/',
    'tank//x',
    'tank/a@b',
    'tank/a b',
    'tank/..',
    '-o/x',
    'tank/../x',
    `tank/${'x'.repeat(200)}`,
  ])('%j is no dataset for a store', (name) => {
    expect(() => checkDataset(name)).toThrow(/not a dataset/);
  });

  test('of images become names of datasets, no two the same', async () => {
    const room = new Room('tank/c');
    expect(await room.line('team/debian')).toBe('tank/c/images/team:2fdebian');
    const long = 'x'.repeat(150);
    const names = await Promise.all(
      ['a/b', 'a:2fb', 'a_b', '.', '..', long, `${long}y`].map((line) => room.line(line)),
    );
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^tank\/c\/images\/[A-Za-z0-9_.:-]{1,110}$/);
    expect(names.filter((name) => /\/\.{1,2}$/.test(name))).toEqual([]);
  });

  test('of snapshots tell whether they are still volumes', () => {
    expect(parseSnapshot('4t8x')).toEqual({id: '4t8x', isBase: false});
    expect(parseSnapshot(baseName('4t8x'))).toEqual({id: '4t8x', isBase: true});
    expect(parseSnapshot(liveName('', '4t8x').slice(1))).toEqual({id: '4t8x', isBase: true});
  });
});

test('a listing tells ours from what others made and inherits our mark', () => {
  const row = (
    name: string,
    txg: number,
    origin: string,
    clones: string,
    volume: string,
    more = ['-', '-', '-'],
  ): string => [name, txg, origin, clones, volume, ...more, '/store'].join('\t');
  const {store, datasets} = parseListing(
    [
      row('t/c/volumes', 1, '-', '-', '-'),
      row('t/c/volumes/a', 2, '-', '-', 'a'),
      row('t/c/volumes/a@a', 3, '-', 't/c/volumes/b,t/other', 'a'),
      row('t/c/volumes/b', 4, 't/c/volumes/a@a', '-', 'b', ['a', 'on', '-']),
      row('t/c/volumes/a@daily', 5, '-', '', 'a'),
      row('t/c/volumes/b/inner', 6, '-', '-', 'b'),
      row('t/c/volumes/copy', 7, '-', '-', '-'),
      '',
    ].join('\n'),
  );
  expect(store).toBe('/store');
  expect(datasets.map(({name, id}) => [name.slice('t/c/volumes'.length), id])).toEqual([
    ['', undefined],
    ['/a', 'a'],
    ['/b', 'b'],
    ['/b/inner', undefined],
    ['/copy', undefined],
  ]);
  expect(datasets[1]?.snapshots.map(({name, id, clones}) => [name, id, clones])).toEqual([
    ['t/c/volumes/a@a', 'a', ['t/c/volumes/b', 't/other']],
    ['t/c/volumes/a@daily', undefined, []],
  ]);
  expect(datasets[2]).toMatchObject({parent: 'a', ephemeral: true, origin: 't/c/volumes/a@a'});
});
