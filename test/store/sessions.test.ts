import {expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {pinNothing} from '../../src/session/pin.ts';
import {Store} from '../../src/store/store.ts';
import {self} from '../../src/system/identity.ts';
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

test('commands of one process, or of processes with one number, have a record each', async () => {
  const {sessions, layout} = await Store.open({
    root: join(temporaryDirectory(), 'store'),
    driver: 'directory',
  });
  const namesake = {...self(), namespace: 'pid:[1]', time: 'time:[1]'};
  const [first, second, third] = [self(), self(), namesake].map((owner) =>
    sessions.addExec({session: 'work', owner, command: ['true'], sandbox: null}),
  );
  sessions.dropExec(first!);
  expect(
    sessions
      .execs('work')
      .map(({id}) => id)
      .sort(),
  ).toEqual([second!.id, third!.id].sort());
  sessions.replaceExec({...second!, sandbox: {pid: 7, started: '8'}});
  expect(sessions.execs('work')).toContainEqual({...second, sandbox: {pid: 7, started: '8'}});

  // As version 0.1.0 wrote them.
  const {pid, started, boot, namespace} = self();
  for (const start of [started, '1']) {
    const record = {session: 'old', owner: {pid, started: start, boot, namespace}, command: ['true']};
    writeFileSync(join(layout.execs, `old.${start}.json`), `${JSON.stringify(record)}\n`);
  }
  expect(sessions.deadExecs().map(({id}) => id)).toEqual(['old.1']);
  expect(sessions.execs('old').map(({id}) => id)).toEqual([`old.${started}`]);
  expect(readdirSync(layout.execs)).toHaveLength(3);
});
