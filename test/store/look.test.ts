import {describe, expect, jest, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {Image} from '../../src/store/image.ts';
import {Layout} from '../../src/store/layout.ts';
import {lookAt} from '../../src/store/look.ts';
import {formatRecord} from '../../src/store/records.ts';
import {temporaryDirectory} from '../temporary.ts';
import {
  ENOUGH,
  later,
  pathOf,
  add,
  imageOf,
  indexOf,
  indexed,
  expectTheRecords,
  withIndex,
  idOf,
} from './recorded-images.ts';

describe('a listing', () => {
  test('makes an index of an image that has more than a few versions', () => {
    const [few, more] = [imageOf(8), imageOf(9)];
    for (const image of [few, more]) expectTheRecords(image);
    expect(indexed(few)).toEqual([]);
    expect(indexed(more)).toEqual(more.versionIds());
    expect(statSync(indexOf(more)).mode & 0o777).toBe(0o644);
    // Nothing has changed since.
    const {ino} = statSync(indexOf(more));
    expectTheRecords(more);
    expect(statSync(indexOf(more)).ino).toBe(ino);
  });

  test('shows records by the index and others alike, and makes a new one for more than a few', () => {
    const {image, ids} = withIndex();
    for (let count = 1; count <= 9; count++) {
      add(image, {message: `number ${count}`});
      later();
      expectTheRecords(image);
      expect(indexed(image).length).toBe(count < 9 ? ids.length : ids.length + 9);
    }
  });

  test('puts a version where it belongs that is older than those in the index', () => {
    const {image} = withIndex();
    add(image, {id: '00000000000000aa'});
    expectTheRecords(image);
    expect(lookAt(image).versions[0]?.id).toBe('00000000000000aa');
  });

  test('does not tell of a record in the index that may change once more within a tick of the clock', () => {
    const image = imageOf(ENOUGH);
    jest.restoreAllMocks();
    expectTheRecords(image);
    expect(existsSync(indexOf(image))).toBe(false);
  });

  test('shows the record of another image as it is', () => {
    const image = imageOf(ENOUGH);
    add(image, {image: 'elsewhere'});
    later();
    expectTheRecords(image);
    expectTheRecords(image);
    expect(indexed(image).length).toBe(ENOUGH + 1);
  });

  test.each<[string, (path: string, image: Image) => void]>([
    [
      'replaced',
      (path, image) => {
        writeFileSync(`${path}.new`, formatRecord({...image.version(idOf(path)), message: 'another'}));
        renameSync(`${path}.new`, path);
      },
    ],
    ['edited in place', (path) => writeFileSync(path, readFileSync(path, 'utf8').replace('amd64', 'arm64'))],
    ['removed', (path) => rmSync(path)],
    ['hidden', (path) => renameSync(path, `${path}.removing`)],
    [
      'put back',
      (path) => {
        renameSync(path, `${path}.removing`);
        renameSync(`${path}.removing`, path);
      },
    ],
    [
      'made anew',
      (path, image) => {
        const version = image.version(idOf(path));
        rmSync(path);
        writeFileSync(path, formatRecord({...version, message: 'anew', size: 1}));
      },
    ],
  ])('sees at once that a record was %s, while its line is still there', (_, change) => {
    const {image, ids} = withIndex();
    const at = ids[7] ?? '';
    change(pathOf(image, at), image);
    expectTheRecords(image);
    later();
    expectTheRecords(image);
    expect(indexed(image)).toContain(at);
  });

  test('tells of a record that cannot be read, every time, and no longer when it is mended', () => {
    const {image, ids} = withIndex();
    const path = pathOf(image, ids[3] ?? '');
    const text = readFileSync(path);
    for (const damaged of ['', '{"id": 1}', text.toString().replace(/"id": "\w+"/, '"id": "0000"')]) {
      writeFileSync(path, damaged);
      later();
      for (let time = 0; time < 2; time++)
        expectTheRecords(image, [expect.stringMatching(`${path} is damaged`) as unknown as string]);
    }
    rmSync(path);
    mkdirSync(path);
    expectTheRecords(image, [expect.stringMatching(`${path} is damaged`) as unknown as string]);
    rmSync(path, {recursive: true});
    writeFileSync(path, text);
    expectTheRecords(image);
  });

  test('tells of damage out of sight, too, and of tags that cannot be read', () => {
    const {image, ids} = withIndex();
    const hidden = `${pathOf(image, ids[3] ?? '')}.removing`;
    renameSync(pathOf(image, ids[3] ?? ''), hidden);
    truncateSync(hidden, 5);
    writeFileSync(join(image.directory, 'refs.json'), '{');
    expectTheRecords(image, [
      expect.stringMatching('refs.json is damaged') as unknown as string,
      expect.stringMatching(`${hidden} is damaged`) as unknown as string,
    ]);
  });

  test('makes a new index when many lines are of no version any more', () => {
    const {image, ids} = withIndex(50);
    for (const id of ids.slice(0, 8)) rmSync(pathOf(image, id));
    expectTheRecords(image);
    expect(indexed(image).length).toBe(50);
    for (const id of ids.slice(8, 45)) rmSync(pathOf(image, id));
    expectTheRecords(image);
    expect(indexed(image)).toEqual(ids.slice(45));
  });

  test('of a copy of the store goes by the records, and makes its own index', () => {
    const {image, ids} = withIndex();
    const root = join(temporaryDirectory(), 'copy');
    const original = join(image.directory, '../..');
    execFileSync('cp', ['-a', original, root]);
    const copy = new Image(new Layout(root), image.name);
    const path = pathOf(copy, ids[0] ?? '');
    writeFileSync(path, readFileSync(path, 'utf8').replace('amd64', 'arm64'));
    later();
    expectTheRecords(copy);
    expect(readFileSync(indexOf(copy), 'utf8')).not.toBe(readFileSync(indexOf(image), 'utf8'));
    expect(readFileSync(indexOf(copy), 'utf8')).toContain('arm64');
  });
});
