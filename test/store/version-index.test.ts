import {describe, expect, test} from '@jest/globals';
import fc from 'fast-check';
import {
  formatIndex,
  isSame,
  isSettled,
  parseIndex,
  type VersionIndex,
} from '../../src/store/version-index.ts';

const id = fc.stringMatching(/^[0-9a-hjkmnp-tv-z]{1,32}$/);
const text = fc.string({unit: 'binary'});
const number = fc.double({noNaN: true, noDefaultInfinity: true}).map((value) => value + 0);
const state = fc.tuple(number, number, number);
const index: fc.Arbitrary<VersionIndex> = fc.record({
  directory: fc.option(state, {nil: undefined}),
  lines: fc.array(
    fc.record({
      ...{id, image: text, parent: fc.option(id), created: text, message: text, size: number, file: state},
      labels: fc.dictionary(text, text),
    }),
  ),
});

describe('the index of versions', () => {
  test('gives back what it was made of, whatever is in it', () => {
    fc.assert(
      fc.property(index, fc.string(), (made, image) => {
        expect(plain(parseIndex(formatIndex(made, image), image))).toEqual(plain(made));
      }),
    );
  });

  test('has a line for each version, and one for itself', () => {
    fc.assert(
      fc.property(index, (made) => {
        const lines = formatIndex(made, 'base').trimEnd().split('\n');
        expect(lines.length).toBe(made.lines.length + 1);
      }),
    );
  });

  test('of another image, or that is torn anywhere, says nothing', () => {
    const none = {directory: undefined, lines: []};
    fc.assert(
      fc.property(index, fc.nat(), fc.nat(), (made, from, length) => {
        const whole = formatIndex(made, 'base');
        expect(parseIndex(whole, 'other')).toEqual(none);
        // The newline at its end says nothing.
        const at = from % (whole.length - 1);
        expect(parseIndex(whole.slice(0, at), 'base')).toEqual(none);
        const lost = Math.min(1 + length, whole.length - 1 - at);
        expect(parseIndex(whole.slice(0, at) + '\0'.repeat(lost) + whole.slice(at + lost), 'base')).toEqual(
          none,
        );
      }),
    );
  });

  test('that somebody else wrote has lines of that form, or none', () => {
    const head = {index: 1, image: 'base', directory: null};
    const line = {
      id: '0',
      image: 'base',
      parent: null,
      created: '',
      message: '',
      labels: {},
      size: 0,
      file: [1, 2, 3],
    };
    const foreign = fc.oneof(
      fc.jsonValue(),
      fc.array(fc.jsonValue()).map((rest) => [head, ...rest]),
      fc
        .tuple(fc.constantFrom(...Object.keys(line)), fc.jsonValue())
        .map(([field, value]) => [head, {...line, [field]: value}]),
      fc
        .tuple(fc.constantFrom(...Object.keys(head)), fc.jsonValue())
        .map(([field, value]) => [{...head, [field]: value}]),
    );
    fc.assert(
      fc.property(foreign, (value) => {
        const {directory, lines} = parseIndex(JSON.stringify(value), 'base');
        expect(directory === undefined || directory.every((part) => typeof part === 'number')).toBe(true);
        for (const one of lines) {
          expect(one.id).toMatch(/^[0-9a-hjkmnp-tv-z]+$/);
          expect(
            [one.parent ?? one.id, one.image, one.created, one.message].map((part) => typeof part),
          ).toEqual(Array<string>(4).fill('string'));
          expect([one.size, ...one.file].map((part) => typeof part)).toEqual(Array<string>(4).fill('number'));
          expect(Object.values(one.labels).every((label) => typeof label === 'string')).toBe(true);
        }
      }),
      {numRuns: 1000},
    );
  });
});

test('a file is the same one when nothing of its state differs, and is settled some seconds after its last change', () => {
  expect(isSame([1, 2, 3], [1, 2, 3])).toBe(true);
  for (const other of [[0, 2, 3] as const, [1, 0, 3] as const, [1, 2, 0] as const, undefined])
    expect(isSame([1, 2, 3], other)).toBe(false);
  expect([9_000, 11_000, 13_000].map((now) => isSettled([1, 10_000, 3], now))).toEqual([false, false, true]);
  // The clock has been set back.
  expect(isSettled([1, 10_000, 3], 5_000)).toBe(true);
});

/** Without prototypes that differ. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
