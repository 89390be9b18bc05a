/** Words of the protocol, in both directions, also as autopkgtest itself reads and writes them. */
import {expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import fc from 'fast-check';
import {decodeWord, encodeCommand, encodeWord, parseLine} from '../../src/autopkgtest/words.ts';
import {ChrootctlError} from '../../src/errors.ts';

/** Any text that can be a word of a command line. */
const word = fc.string({unit: 'grapheme'}).filter((text) => !text.includes('\0'));

test('what is encoded is decoded', () => {
  fc.assert(
    fc.property(word, (text) => {
      expect(encodeWord(text)).toMatch(/^[A-Za-z0-9_.~/%-]*$/);
      expect(decodeWord(encodeWord(text))).toBe(text);
    }),
  );
});

test('a line is its words, whatever is between them', () => {
  const space = fc.stringMatching(/^[ \t\r]+$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(word, space)), (parts) => {
      const line = parts.map(([text, between]) => encodeWord(text) + between).join('');
      expect(parseLine(line)).toEqual(parts.map(([text]) => text).filter((text) => text !== ''));
    }),
  );
});

test('a line that nobody has encoded is read all the same, or refused in our words', () => {
  fc.assert(
    fc.property(fc.string({unit: 'binary'}), (line) => {
      try {
        for (const read of parseLine(line)) expect(typeof read).toBe('string');
      } catch (error) {
        expect(error).toBeInstanceOf(ChrootctlError);
      }
    }),
  );
});

test.each([
  ['100%', '100%'],
  ['%zz', '%zz'],
  ['a%2', 'a%2'],
  ['%25', '%'],
  ['%2Fx%2fy', '/x/y'],
  ['%C3%A9', 'é'],
])('%s is %s', (text, decoded) => {
  expect(decodeWord(text)).toBe(decoded);
});

test('what is no UTF-8 is refused', () => {
  expect(() => decodeWord('%FF')).toThrow("'%FF' is not UTF-8");
});

/** The two functions by which autopkgtest does it. */
const PYTHON = `
import json, sys
from urllib.parse import quote, unquote
words, command = json.load(sys.stdin)
print(json.dumps([[unquote(each) for each in command.split(',')], ' '.join(quote(each) for each in words)]))`;

test('autopkgtest reads what we write, and we what it writes', () => {
  const lists = fc.sample(
    fc.array(
      word.filter((text) => text !== ''),
      {minLength: 1},
    ),
    20,
  );
  const words = [...lists.flat(), 'a b', ',', '%2C', 'ä/ö', '-x', '\n', "it's"];
  const input = JSON.stringify([words, encodeCommand(words)]);
  const answer = execFileSync('python3', ['-c', PYTHON], {input, encoding: 'utf8'});
  const [read, line] = JSON.parse(answer) as [string[], string];
  expect(read).toEqual(words);
  expect(parseLine(line)).toEqual(words);
});
