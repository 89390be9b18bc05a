import {describe, expect, jest, test} from '@jest/globals';
import {renameSync, rmSync, writeFileSync} from 'node:fs';
import fc from 'fast-check';
import type {Image} from '../../src/store/image.ts';
import {lookAt} from '../../src/store/look.ts';
import {formatRecord} from '../../src/store/records.ts';
import {ENOUGH, later, record, pathOf, add, imageOf, indexOf, idOf} from './recorded-images.ts';

describe('of very many versions', () => {
  /** As if there were more than `MANY`. */
  const lookNow = (image: Image): string[] =>
    lookAt(image, 10).versions.map(({id, message}) => `${id} ${message}`);
  const look = (image: Image): string[] => {
    later();
    return lookNow(image);
  };

  function trusting(): {image: Image; ids: string[]} {
    const image = imageOf(ENOUGH);
    look(image);
    return {image, ids: image.versionIds()};
  }

  test('a listing goes by the directory, in which nothing comes, goes or is replaced without a trace', () => {
    const {image, ids} = trusting();
    const [first = '', second = '', third = '', ...rest] = ids;
    const path = pathOf(image, first);
    const before = look(image);
    // One that is edited in place leaves none: it shows with the next change, and who uses or mends it reads it.
    writeFileSync(path, 'damaged');
    expect([look(image), lookAt(image, 10).complaints]).toEqual([before, []]);
    expect(() => image.version(first)).toThrow(/is damaged/);
    expect(image.records().damaged).toMatchObject([{path}]);
    expect(lookAt(image).complaints.length).toBe(1);

    renameSync(pathOf(image, second), `${pathOf(image, second)}.removing`);
    expect([look(image).length, lookAt(image, 10).complaints.length]).toEqual([rest.length + 1, 1]);
    renameSync(`${pathOf(image, second)}.removing`, pathOf(image, second));
    writeFileSync(`${path}.new`, formatRecord(record(image, {id: first, message: 'replaced'})));
    renameSync(`${path}.new`, path);
    expect(look(image)[0]).toBe(`${first} replaced`);
    rmSync(pathOf(image, third));
    const {id} = add(image, {message: 'new'});
    expect(look(image).map((line) => line.split(' ')[0])).toEqual([first, second, ...rest, id]);
    expect(look(image)).toEqual(image.versions().map((version) => `${version.id} ${version.message}`));
  });

  test('it does not as long as the directory may change once more within a tick of the clock', () => {
    const image = imageOf(ENOUGH);
    jest.restoreAllMocks();
    lookNow(image);
    for (let time = 0; time < 3; time++) {
      add(image);
      expect(lookNow(image).length).toBe(image.versionIds().length);
    }
    look(image);
    add(image);
    expect(lookNow(image).length).toBe(image.versionIds().length);
  });

  test.each([
    ['a record that cannot be read', (path: string) => writeFileSync(path, '{')],
    ['one out of sight', (path: string) => renameSync(path, `${path}.removing`)],
  ])('it does not beside %s', (_, change) => {
    const {image, ids} = trusting();
    change(pathOf(image, ids[0] ?? ''));
    // So that the directory has changed in any case.
    add(image);
    look(image);
    const edited = pathOf(image, ids[1] ?? '');
    writeFileSync(edited, formatRecord(record(image, {id: ids[1] ?? '', message: 'edited'})));
    expect(look(image)).toContain(`${ids[1] ?? ''} edited`);
  });
});

/** What chrootctl, a person or a backup does to the records of a few versions at a time, by where they are in the list. */
const CHANGES: Record<string, (path: string, image: Image) => void> = {
  add: (_, image) => void add(image),
  'add many': (_, image) => {
    for (let count = 0; count < 12; count++) add(image);
  },
  remove: (path) => rmSync(path, {recursive: true, force: true}),
  hide: (path) => renameSync(path, `${path}.removing`),
  'put back': (_, image) => {
    for (const id of image.removingIds()) renameSync(`${pathOf(image, id)}.removing`, pathOf(image, id));
  },
  replace: (path, image) => {
    writeFileSync(`${path}.new`, formatRecord(record(image, {id: idOf(path), message: 'replaced'})));
    renameSync(`${path}.new`, path);
  },
  'replace by damage': (path) => {
    writeFileSync(`${path}.new`, '{');
    renameSync(`${path}.new`, path);
  },
  'remove the index': (_, image) => rmSync(indexOf(image), {force: true}),
};

test.each([10, 1_000])('whatever was done before, a listing is what the records say (%d)', (many) => {
  const step = fc.tuple(fc.constantFrom(...Object.keys(CHANGES)), fc.nat());
  fc.assert(
    fc.property(fc.array(step, {minLength: 1, maxLength: 6}), (steps) => {
      const image = imageOf(12);
      for (const [change, at] of steps) {
        const ids = image.versionIds();
        if (ids.length > 0) CHANGES[change]?.(pathOf(image, ids[at % ids.length] ?? ''), image);
        later();
        const {versions, complaints} = lookAt(image, many);
        const {damaged} = image.records();
        expect(versions.map(({id, message}) => [id, message])).toEqual(
          image.versions().map(({id, message}) => [id, message]),
        );
        expect(complaints).toEqual(damaged.map(({why}) => why));
      }
    }),
    {numRuns: 40},
  );
});
