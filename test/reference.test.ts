import {describe, expect, test} from '@jest/globals';
import fc from 'fast-check';
import {ChrootctlError} from '../src/errors.ts';
import {checkImageName, formatReference, parseReference, parseTarget} from '../src/reference.ts';

describe('references', () => {
  test.each([
    ['debian', {image: 'debian', selector: {kind: 'latest'}}],
    ['debian:stable', {image: 'debian', selector: {kind: 'tag', text: 'stable'}}],
    ['debian:^1.2', {image: 'debian', selector: {kind: 'tag', text: '^1.2'}}],
    ['debian:>=1 <2 || 3.x', {image: 'debian', selector: {kind: 'tag', text: '>=1 <2 || 3.x'}}],
    ['debian@01k8x', {image: 'debian', selector: {kind: 'version', prefix: '01k8x'}}],
    ['localhost:5000/team/debian', {image: 'localhost:5000/team/debian', selector: {kind: 'latest'}}],
    [
      'registry.example:5000/debian:1.0',
      {image: 'registry.example:5000/debian', selector: {kind: 'tag', text: '1.0'}},
    ],
    ['a__b/c-d', {image: 'a__b/c-d', selector: {kind: 'latest'}}],
  ])('%s is understood', (text, reference) => {
    expect(parseReference(text)).toEqual(reference);
    expect(formatReference(parseReference(text))).toBe(text);
  });

  test.each([
    '',
    '../x',
    'A',
    '-rf',
    'a/../b',
    'a//b',
    '/a',
    'a/',
    '.',
    '..',
    'a b',
    'a\nb',
    'a\0b',
    'ä',
    'debian:',
    'debian@',
    'debian@UP',
    'debian@il',
    '_a',
    'a.',
    'a..b',
    'host:99999999/a',
    'debian: x',
    'debian:\x1b[2J',
    'a'.repeat(201),
    '%2e%2e',
  ])('%j is refused as wrong usage', (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({code: 'USAGE'}));
  });

  test('a target is no range and no version', () => {
    expect(parseTarget('debian:1.2.3')).toEqual({image: 'debian', tag: '1.2.3'});
    expect(() => parseTarget('debian:^1')).toThrow(ChrootctlError);
    expect(() => parseTarget('debian@01')).toThrow(ChrootctlError);
    expect(() => parseTarget('debian:-x')).toThrow(ChrootctlError);
  });

  test('whatever is typed, an accepted name is safe in a path and on a command line', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({unit: fc.constantFrom(...Array.from('ab0._-/:@%A \0\n'))})),
        (text) => {
          let image: string;
          try {
            ({image} = parseReference(text));
          } catch (error) {
            expect(error).toBeInstanceOf(ChrootctlError);
            return;
          }
          expect(checkImageName(image)).toBe(image);
          expect(image).toMatch(/^[a-z0-9][a-z0-9._:/-]*$/);
          const directory = encodeURIComponent(image);
          expect(directory).not.toMatch(/[/\0]|^\.\.?$|^-/);
          expect(decodeURIComponent(directory)).toBe(image);
        },
      ),
      {numRuns: 2000},
    );
  });
});
