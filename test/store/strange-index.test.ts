import {expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync} from 'node:fs';
import {formatIndex, parseIndex} from '../../src/store/version-index.ts';
import {indexOf, indexed, expectTheRecords, withIndex} from './recorded-images.ts';

/** What may be where the index is. The lines of `whole` count. */
const STRANGE: Record<string, (path: string, whole: string) => void> = {
  nothing: (path) => rmSync(path),
  'an empty file': (path) => truncateSync(path),
  'half of it': (path, whole) => writeFileSync(path, whole.slice(0, whole.length / 2)),
  NULs: (path, whole) => truncateSync((writeFileSync(path, ''), path), whole.length),
  'something else': (path) => writeFileSync(path, 'Shopping list\n'),
  'another JSON': (path) => writeFileSync(path, '{"seq": 1}'),
  'deeply nested JSON': (path) => writeFileSync(path, '['.repeat(1e6)),
  'the form of a later version': (path, whole) =>
    writeFileSync(path, whole.replace('"index":1', '"index":2')),
  "another image's": (path, whole) => writeFileSync(path, whole.replace('debian', 'fedora')),
  'lines that lead elsewhere': (path, whole) =>
    writeFileSync(path, whole.replaceAll(/"id":"\w+"/g, '"id":"../../../etc/passwd"')),
  'lines twice': (path, whole) =>
    writeFileSync(
      path,
      whole.replace(/(\{"id".*\})\]\n$/s, (_, lines: string) => `${lines},${lines}]\n`),
    ),
  'lines in another order': (path, whole) => {
    const {lines} = parseIndex(whole, 'host.example:5000/debian');
    writeFileSync(
      path,
      formatIndex({directory: undefined, lines: lines.reverse()}, 'host.example:5000/debian'),
    );
  },
  'labels that are none': (path, whole) => writeFileSync(path, whole.replace('"amd64"', '7')),
  'a directory': (path) => {
    rmSync(path);
    mkdirSync(path);
  },
  'a link to nowhere': (path) => {
    rmSync(path);
    symlinkSync('nowhere', path);
  },
  'a named pipe': (path) => {
    rmSync(path);
    execFileSync('mkfifo', [path]);
  },
  'a file as large as a disk': (path) => truncateSync(path, 2 ** 40),
};

test.each(Object.entries(STRANGE))('with %s instead of the index the records tell', (_, put) => {
  const {image, ids} = withIndex();
  put(indexOf(image), readFileSync(indexOf(image), 'utf8'));
  expectTheRecords(image);
  expectTheRecords(image);
  expect(image.foreign()).toBeUndefined();
  // Except where something is that no file can replace, there is an index again.
  expect(lstatSync(indexOf(image)).isDirectory() || indexed(image).length === ids.length).toBe(true);
});
