/** How the command is found and started, by whatever leads to it inside; with-perl/ has it by a shell. */
import {expect, test} from '@jest/globals';
import {chmodSync, mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {end, sandbox, start, upperOf} from './sandbox.ts';

/** Programs by their paths in the root, with their modes. */
type Files = Readonly<Record<string, readonly [text: string, mode: number]>>;

async function started(
  command: readonly string[],
  {files = {}, env = {}, workdir = '/'}: {files?: Files; env?: Record<string, string>; workdir?: string},
): Promise<{code: number | null; stdout: string; stderr: string}> {
  const spec = await sandbox(command, {env, workdir});
  const upper = upperOf(spec);
  for (const [path, [text, mode]] of Object.entries(files)) {
    mkdirSync(join(upper, path, '..'), {recursive: true});
    writeFileSync(join(upper, path), text);
    chmodSync(join(upper, path), mode);
  }
  return end(start(spec));
}

const SAYS_A = ['#!/bin/sh\necho a "$@"\n', 0o755] as const;
const SAYS_B = ['#!/bin/sh\necho b "$@"\n', 0o755] as const;

test('the first in PATH is taken that can be executed', async () => {
  const files = {'/one/x': ['echo no\n', 0o644], '/two/x': SAYS_A, '/three/x': SAYS_B} as const;
  const env = {PATH: '/none:/one:/etc/passwd:/two:/three'};
  expect(await started(['x', ' 1\n'], {files, env})).toMatchObject({code: 0, stdout: 'a  1\n\n'});
  const only = await started(['x'], {files, env: {PATH: '/one:/none'}});
  expect(only).toEqual({
    code: 126,
    stdout: '',
    stderr: 'chrootctl: failed to execute x: Permission denied\n',
  });
});

test('an empty part of PATH is the working directory', async () => {
  const files = {'/work/x': SAYS_A};
  for (const PATH of [':/bin', '/bin:', '/none::/bin'])
    expect(await started(['x'], {files, env: {PATH}, workdir: '/work'})).toMatchObject({stdout: 'a\n'});
  expect(await started(['x'], {files, env: {PATH: '/bin'}, workdir: '/work'})).toMatchObject({code: 127});
  expect(await started(['./x'], {files, workdir: '/work'})).toMatchObject({stdout: 'a\n'});
});

test('a file without a magic number is a script for the shell', async () => {
  const files = {'/usr/bin/plain': ['echo "$0" "$@"; exit 7\n', 0o755]} as const;
  expect(await started(['plain', 'one two', ''], {files})).toEqual({
    code: 7,
    stdout: '/usr/bin/plain one two \n',
    stderr: '',
  });
});

test('what cannot be executed is told by name', async () => {
  for (const [command, code, why] of [
    ['/etc', 126, 'Permission denied'],
    ['/etc/passwd/x', 126, 'Not a directory'],
    ['/no/such', 127, 'No such file or directory'],
    ['a'.repeat(300), 126, 'File name too long'],
  ] as const)
    expect(await started([command], {})).toEqual({
      code,
      stdout: '',
      stderr: `chrootctl: failed to execute ${command}: ${why}\n`,
    });
});

test('variables of any name come to the command, and to nothing before it', async () => {
  const env = {
    'a.b': '1',
    LD_PRELOAD: '/no/such.so',
    IFS: 'x',
    PS4: '$(echo never)',
    BASH_ENV: '/etc/passwd',
    'with space': "it's\n",
    PWD: '/elsewhere',
  };
  const {stdout} = await started(['/usr/bin/printenv', '-0'], {env: {...env, LD_PRELOAD: ''}});
  const shown = Object.fromEntries(
    stdout
      .split('\0')
      .flatMap((line) =>
        line === '' ? [] : [[line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]],
      ),
  ) as Record<string, string>;
  expect(shown).toMatchObject({...env, LD_PRELOAD: ''});
  const warned = await started(['/usr/bin/true'], {env});
  expect(warned.code).toBe(0);
  expect(warned.stderr.match(/cannot be preloaded/g)).toHaveLength(1);
});
