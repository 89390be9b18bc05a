import {expect, test} from '@jest/globals';
import fc from 'fast-check';
import {parseDeb822, parseOneLine, renderDeb822, type AptSource} from '../../src/bootstrap/apt-sources.ts';

test('one-line sources', () => {
  const text = [
    '# a comment',
    'deb http://mirror.example/debian bookworm main contrib # why',
    'deb [ arch=amd64,arm64 signed-by=/usr/share/keyrings/k.gpg trusted=yes ] http://mirror.example/debian sid main',
    '  deb\thttp://mirror.example/debian   sid-updates\tmain',
    'deb-src http://mirror.example/debian bookworm main',
    'deb cdrom:[Debian GNU/Linux 12]/ bookworm main',
    'deb http://mirror.example/flat ./',
    'nonsense',
  ].join('\n');
  expect(parseOneLine(text)).toEqual([
    {
      uris: ['http://mirror.example/debian'],
      suites: ['bookworm'],
      components: ['main', 'contrib'],
      fields: {},
    },
    {
      uris: ['http://mirror.example/debian'],
      suites: ['sid'],
      components: ['main'],
      fields: {Architectures: 'amd64 arm64', 'Signed-By': '/usr/share/keyrings/k.gpg', Trusted: 'yes'},
    },
    {uris: ['http://mirror.example/debian'], suites: ['sid-updates'], components: ['main'], fields: {}},
  ]);
});

test('deb822 sources', () => {
  const text = `# a comment
types: deb deb-src
URIs: http://mirror.example/debian http://other.example/debian
Suites: bookworm bookworm-updates
# a comment inside
Components:
 main
 contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://mirror.example/debian
Suites: sid
Components: main
Enabled: no

Types: deb-src
URIs: http://mirror.example/debian
Suites: sid
Components: main

Types: deb
URIs: http://mirror.example/flat
Suites: ./`;
  const key = '\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----';
  expect(parseDeb822(text)).toEqual([
    {
      uris: ['http://mirror.example/debian', 'http://other.example/debian'],
      suites: ['bookworm', 'bookworm-updates'],
      components: ['main', 'contrib'],
      fields: {'Signed-By': key},
    },
  ]);
});

const word = fc.stringMatching(/^[a-z][a-z0-9./-]{0,12}$/);
const words = fc.array(word, {minLength: 1, maxLength: 3});
const uri = word.map((path) => `http://mirror.example/${path}`);
const source: fc.Arbitrary<AptSource> = fc.record({
  uris: fc.array(uri, {minLength: 1, maxLength: 2}),
  suites: words,
  components: words,
  fields: fc.dictionary(fc.stringMatching(/^X-[A-Z][a-z]{1,8}$/), word).map((fields) => ({...fields})),
});

test('what is rendered is read back', () => {
  fc.assert(
    fc.property(fc.array(source), (sources) => expect(parseDeb822(renderDeb822(sources))).toEqual(sources)),
  );
});

test('a one-line source and its deb822 form mean the same', () => {
  fc.assert(
    fc.property(uri, word, words, fc.option(word), (address, suite, components, key) => {
      const option = key === null ? '' : `[signed-by=/${key}] `;
      const parsed = parseOneLine(`deb ${option}${address} ${suite} ${components.join(' ')}`);
      expect(parsed).toHaveLength(1);
      expect(parseDeb822(renderDeb822(parsed))).toEqual(parsed);
    }),
  );
});

test('no text crashes the parsers', () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom('deb', 'deb [', 'deb [x=] y', 'Types: deb', 'URIs:', ' ', '', ':', 'a:b'),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      for (const found of [...parseOneLine(lines.join('\n')), ...parseDeb822(lines.join('\n'))]) {
        expect(found.uris.length * found.suites.length * found.components.length).toBeGreaterThan(0);
      }
    }),
  );
});
