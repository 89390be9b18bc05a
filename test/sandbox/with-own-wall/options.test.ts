/** What the supervisor's own wall makes of the words for a sandbox, whatever they are. */
import {expect, test} from '@jest/globals';
import fc from 'fast-check';
import {execFileSync, spawnSync} from 'node:child_process';
import {join} from 'node:path';
import {FLAGS} from '../../../scripts/native.js';
import {bwrapOptions, type Enclosure} from '../../../src/sandbox/enclosure.ts';
import {listed} from '../../../src/sandbox/outer.ts';
import {CHECKOUT} from '../../cli/chrootctl.ts';
import {keepForAllTests, temporaryDirectory} from '../../temporary.ts';

const directory = temporaryDirectory();
keepForAllTests();
const reader = join(directory, 'read-options');
const native = ['wall/own/options.c', 'wall/own/held.c', 'wall/own/trees.c', 'common/told.c'];
execFileSync('gcc', [
  ...FLAGS,
  ...['-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-o', reader],
  ...native.map((file) => join(CHECKOUT, 'native', file)),
  join(import.meta.dirname, 'read-options.c'),
]);

const ENCLOSURE: Enclosure = {
  root: directory,
  readOnly: true,
  privileged: false,
  deviceNodes: false,
  network: 'none',
  hostname: 'name',
  shm: 1000,
  binds: [
    {
      directories: ['/a', '/a/b'],
      words: ['--ro-bind', directory, '/a/b'],
      source: directory,
      target: '/a/b',
      places: [],
    },
  ],
  tools: {program: '/bin/true', target: '/dev/.chrootctl'},
  capabilities: ['CHOWN', 'SETUID'],
  workdir: '/',
  terminal: {own: [], path: undefined, shown: undefined},
};
const WORDS = bwrapOptions(ENCLOSURE);

function read(words: readonly string[]): {status: number | null; stderr: string} {
  const {status, stderr} = spawnSync(reader, {
    input: listed([words.map((word) => `${word}\0`).join('')]),
    encoding: 'utf8',
    env: {ASAN_OPTIONS: 'detect_leaks=0'},
  });
  return {status, stderr};
}

const SENSELESS = {status: 1, stderr: 'chrootctl: it was told what it cannot read\n'};

test('all that the engine says is understood', () => {
  expect(read(WORDS)).toEqual({status: 0, stderr: ''});
  expect(read(bwrapOptions({...ENCLOSURE, privileged: true}))).toEqual({status: 0, stderr: ''});
});

test.each([
  {words: ['--unshare-user']},
  {words: ['--overlay-src', '/']},
  {words: ['--cap-add', 'CAP_NONE']},
  {words: ['--cap-drop', 'CAP_KILL']},
  {words: ['--bind', '/']},
  {words: ['--perms', '9']},
  {words: ['']},
])('$words is refused', ({words}) => {
  expect(read([...WORDS, ...words])).toEqual(SENSELESS);
});

test('without a root it is refused', () => {
  expect(read([])).toEqual(SENSELESS);
});

test('whatever the words, it reads nothing but them', () => {
  const word = fc.oneof(
    fc.constantFrom(...WORDS),
    fc.string({maxLength: 8}).map((text) => text.replaceAll('\0', '')),
  );
  const words = fc.oneof(
    fc.array(word, {maxLength: 30}),
    fc.shuffledSubarray(WORDS),
    fc.nat(WORDS.length).map((end) => WORDS.slice(0, end)),
  );
  fc.assert(
    fc.property(words, (some) => {
      const {status, stderr} = read(some);
      expect([0, 1]).toContain(status);
      expect(stderr).toMatch(/^(?:|chrootctl: it was told what it cannot read\n|mount: .*\n)$/);
    }),
    {numRuns: 200},
  );
}, 300_000);
