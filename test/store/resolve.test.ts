import {describe, expect, test} from '@jest/globals';
import {bumpedTag, compareTags, highestMatch, tagsOf} from '../../src/store/resolve.ts';

describe('semver tags', () => {
  const tags = ['latest', '1.2.0', '1.10.1', '1.9.9', '2.0.0-rc.1', 'stable', '0.3.0'];

  test.each([
    ['^1.2', '1.10.1'],
    ['~1.9', '1.9.9'],
    ['1', '1.10.1'],
    ['*', '1.10.1'],
    ['>=2.0.0-rc', '2.0.0-rc.1'],
    ['0.x', '0.3.0'],
    ['>=3', undefined],
    ['stable', undefined],
  ])('%s means %s', (range, tag) => expect(highestMatch(tags, range)).toBe(tag));

  test.each([
    ['major', '2.0.0'],
    ['minor', '2.0.0'],
    ['patch', '2.0.0'],
  ] as const)('a %s step after a prerelease ends it', (step, tag) => expect(bumpedTag(tags, step)).toBe(tag));

  test.each([
    [['1.2.3'], 'major', '2.0.0'],
    [['1.2.3'], 'minor', '1.3.0'],
    [['1.2.3', '1.2.10'], 'patch', '1.2.11'],
    [[], 'major', '1.0.0'],
    [['latest'], 'minor', '0.1.0'],
    [[], 'patch', '0.0.1'],
  ] as const)('after %j a %s step gives %s', (present, step, tag) =>
    expect(bumpedTag(present, step)).toBe(tag),
  );

  test('latest comes first, versions last and in their order', () => {
    expect([...tags].sort(compareTags)).toEqual([
      'latest',
      'stable',
      '0.3.0',
      '1.2.0',
      '1.9.9',
      '1.10.1',
      '2.0.0-rc.1',
    ]);
    expect(tagsOf({'1.0.0': 'a', latest: 'a', old: 'b'}, 'a')).toEqual(['latest', '1.0.0']);
  });
});
