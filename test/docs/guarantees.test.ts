/** The promises of docs/guarantees.md are held by tests that exist. */
import {describe, expect, test} from '@jest/globals';
import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';

const TESTS = dirname(import.meta.dirname);
const promises = readFileSync(join(dirname(TESTS), 'docs/guarantees.md'), 'utf8')
  .split('\n')
  .filter((line) => /^\| (?!promise|---)/.test(line))
  .map((line) => line.split(' | '))
  .map(([promise = '', heldBy = '']) => ({
    promise: promise.slice(2),
    tests: [...heldBy.matchAll(/`([^`]+)`: “([^”]+)”/g)].map(([, file = '', title = '']) => ({file, title})),
    mentioned: heldBy.split('`').length >> 1,
  }));

test('there are promises', () => {
  expect(promises.length).toBeGreaterThan(20);
});

describe.each(promises)('$promise', ({tests, mentioned}) => {
  test('is held by what it names', () => {
    expect(tests.length).toBeGreaterThan(0);
    expect(tests).toHaveLength(mentioned); // None is written in a way that is not understood here.
    for (const {file, title} of tests) expect(readFileSync(join(TESTS, file), 'utf8')).toContain(title);
  });
});
