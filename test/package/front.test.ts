/** What the front makes of the environment, with a program in the runtime's place that tells what it got. */
import {beforeAll, expect, test} from '@jest/globals';
import {spawnSync} from 'node:child_process';
import {mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {compileNative} from '../../scripts/native.js';
import {compileWithSanitizers} from '../sandbox/with-sanitizers/build.ts';
import {CHECKOUT} from '../cli/chrootctl.ts';
import {keepForAllTests, temporaryDirectory} from '../temporary.ts';

const BUILDS = ['as it ships', 'with sanitizers'] as const;
const fronts = new Map<string, string>();

beforeAll(() => {
  for (const build of BUILDS) {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'dist'));
    const script = '#!/usr/bin/perl\nopen F, "<", "/proc/self/environ"; print <F>;\n';
    writeFileSync(join(directory, 'dist/chrootctl'), script, {mode: 0o755});
    const front = join(directory, 'chrootctl');
    if (build === 'with sanitizers') compileWithSanitizers('front', front);
    else expect(compileNative('front', process.arch, front)).toBeUndefined();
    fronts.set(build, front);
  }
  keepForAllTests();
});

/** What of it depends on the command. */
const BRIEF = [
  'run',
  'exec',
  'session',
  'commit',
  'tag',
  'untag',
  'rollback',
  'inspect',
  'policy',
  'autopkgtest',
];

function howFar(command: string): string[] {
  if (BRIEF.includes(command)) return ['BUN_JSC_useJIT=0'];
  return command === 'images' ? ['BUN_JSC_useFTLJIT=0'] : [];
}

const COMMANDS = readdirSync(join(CHECKOUT, 'dist/commands')).map((file) =>
  file.replace(/(?:\..*)?\.cjs$/, ''),
);

test.each(BUILDS)('the runtime gets the caller’s variables, and how far to compile, %s', (build) => {
  const given = {PATH: '/usr/bin', ONE: '1', BUN_OPTIONS: '--smol', BUN_JSC_useJIT: '1', LAST: 'a b\nc'};
  const kept = ['PATH=/usr/bin', 'ONE=1', 'LAST=a b\nc'];
  const hidden = ['CHROOTCTL_CALLERS_BUN_OPTIONS=--smol', 'CHROOTCTL_CALLERS_BUN_JSC_useJIT=1'];
  for (const command of [...new Set(COMMANDS), 'no-such-command', '']) {
    const {stdout, stderr} = spawnSync(fronts.get(build) ?? '', command === '' ? [] : [command], {
      encoding: 'utf8',
      env: {...given, ASAN_OPTIONS: 'detect_leaks=0'},
    });
    expect(stderr).toBe('');
    const variables = stdout.split('\0').filter((one) => !one.startsWith('ASAN_OPTIONS='));
    expect({command, variables: variables.sort()}).toEqual({
      command,
      variables: ['', ...kept, ...hidden, ...howFar(command)].sort(),
    });
  }
});
