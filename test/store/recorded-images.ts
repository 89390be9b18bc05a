/** Images of records that are only written down, and what a listing of them must show. */
import {afterEach, expect, jest} from '@jest/globals';
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {versionId} from '../../src/ids.ts';
import {Image} from '../../src/store/image.ts';
import {Layout} from '../../src/store/layout.ts';
import {lookAt} from '../../src/store/look.ts';
import {formatRecord, type VersionRecord} from '../../src/store/records.ts';
import {parseIndex} from '../../src/store/version-index.ts';
import {temporaryDirectory} from '../temporary.ts';

/** So many versions that an index is made of them. */
export const ENOUGH = 30;

/** Longer than a tick of the kernel's clock, by which files tell the time. */
const TICK_MS = 20;

afterEach(() => {
  jest.restoreAllMocks();
});

/** A minute from now, so that no file is too young to be told of in an index; what changes from here on is told by its time. */
export function later(): void {
  jest.restoreAllMocks();
  const now = Date.now();
  jest.spyOn(Date, 'now').mockReturnValue(now + 60_000);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TICK_MS);
}

let time = 1_700_000_000_000;

export function record(image: Image, fields: Partial<VersionRecord> = {}): VersionRecord {
  return {
    id: versionId(null, time++),
    image: image.name,
    parent: null,
    created: new Date(time).toISOString(),
    message: 'ü "x"\n\t',
    labels: {arch: 'amd64'},
    config: {env: {A: 'b'}, mounts: []},
    volume: 'v0',
    size: 4096,
    ...fields,
  };
}

export function pathOf(image: Image, id: string): string {
  return join(image.directory, 'versions', `${id}.json`);
}

export function add(image: Image, fields: Partial<VersionRecord> = {}): VersionRecord {
  const version = record(image, fields);
  writeFileSync(pathOf(image, version.id), formatRecord(version));
  return version;
}

export function imageOf(count: number, name = 'host.example:5000/debian'): Image {
  const layout = new Layout(temporaryDirectory());
  mkdirSync(layout.locks);
  const image = new Image(layout, name);
  mkdirSync(join(image.directory, 'versions'), {recursive: true});
  writeFileSync(join(image.directory, 'refs.json'), formatRecord({seq: 0, tags: {}}));
  for (let number = 0; number < count; number++) add(image);
  later();
  return image;
}

export function indexOf(image: Image): string {
  return join(image.directory, 'versions.index');
}

/** Ids in the index. */
export function indexed(image: Image): string[] {
  if (!existsSync(indexOf(image))) return [];
  return parseIndex(readFileSync(indexOf(image), 'utf8'), image.name).lines.map(({id}) => id);
}

/** What a listing shows is what the records say. */
export function expectTheRecords(image: Image, complaints: readonly string[] = []): void {
  const records = image.versions().map(({config: _, volume: __, ...shown}) => shown);
  const look = lookAt(image);
  expect(
    look.versions.map(({file: _, ...shown}: (typeof look.versions)[number] & {file?: unknown}) => shown),
  ).toEqual(records);
  expect(look.complaints).toEqual(complaints);
}

/** An image with an index, and its ids. */
export function withIndex(count = ENOUGH): {image: Image; ids: string[]} {
  const image = imageOf(count);
  expectTheRecords(image);
  const ids = image.versionIds();
  expect(indexed(image)).toEqual(ids);
  return {image, ids};
}

export function idOf(path: string): string {
  return /(\w+)\.json$/.exec(path)?.[1] ?? '';
}
