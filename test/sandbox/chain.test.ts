/** The chain on its own, with a mount(8) that does as the test wants. */
import {expect, test} from '@jest/globals';
import {spawnSync} from 'node:child_process';
import {existsSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {outerCommand} from '../../src/sandbox/chain.ts';
import {temporaryDirectory} from '../temporary.ts';

/** The first number of a few that no process of the host has, as its /proc shows it. */
function unusedNumbers(): number {
  const isUnused = (number: number): boolean => !existsSync(`/proc/${number}`);
  for (let first = 20; ; first++) {
    if ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].every((n) => isUnused(first + n))) return first;
  }
}

test('a mount that has to be tried until process numbers are beyond those of lasting threads', () => {
  const directory = temporaryDirectory();
  // Says twice that it is busy, and uses up numbers meanwhile as two hundred tries would.
  writeFileSync(
    join(directory, 'mount'),
    [
      '#!/bin/sh',
      'PATH=${PATH#*:}',
      `case $* in *proc*) exec mount "$@"; esac`,
      `while [ "$(sh -c 'echo $$')" -lt ${unusedNumbers()} ]; do :; done`,
      `if [ -e ${directory}/second ]; then exec mount "$@"; fi`,
      `if [ -e ${directory}/first ]; then : >${directory}/second; fi`,
      `: >${directory}/first`,
      'echo "mount: mount point is busy" >&2; exit 32',
    ].join('\n'),
    {mode: 0o755},
  );
  const [file = '', ...args] = outerCommand({
    parent: process.pid,
    groups: [],
    detach: [],
    mount: {
      plan: {
        type: 'tmpfs',
        source: 'tmpfs',
        options: [],
        workingDirectory: '/',
        layers: [],
        contended: true,
      },
      mountPoint: directory,
    },
    ownNetwork: false,
    bwrap: ['--dev-bind', '/', '/', '--unshare-pid', '--', 'findmnt', '-no', 'FSTYPE', directory],
  });
  const {status, stdout, stderr} = spawnSync(file, args, {
    encoding: 'utf8',
    env: {...process.env, PATH: `${directory}:${process.env['PATH']}`},
  });
  expect({status, stdout, stderr}).toEqual({status: 0, stdout: 'tmpfs\n', stderr: ''});
});
