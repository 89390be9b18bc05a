import {expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {pinNothing} from '../../src/session/pin.ts';
import {Store} from '../../src/store/store.ts';
import {temporaryDirectory} from '../temporary.ts';

test('a record for which there is no room is not there at all', async () => {
  const room = join(temporaryDirectory(), 'room');
  mkdirSync(room);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4M', 'tmpfs', room]);
  const store = await Store.open({root: join(room, 'store'), driver: 'directory'});
  // Leaves no block, but room for files without content.
  execFileSync('sh', ['-c', 'cat /dev/zero >"$1/ballast" || :', 'sh', room], {stdio: 'ignore'});
  const fields = {kind: 'run', ephemeral: true, command: [], labels: {}, options: {}} as const;
  expect(() => pinNothing(store, 'base', {...fields, command: []})).toThrow(/ENOSPC/);
  expect(readdirSync(store.layout.sessions)).toEqual([]);
});
