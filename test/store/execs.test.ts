import {expect, test} from '@jest/globals';
import {readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Store} from '../../src/store/store.ts';
import {self} from '../../src/system/identity.ts';
import {temporaryDirectory} from '../temporary.ts';

test('commands of one process, or of processes with one number, have a record each', async () => {
  const {execs, layout} = await Store.open({
    root: join(temporaryDirectory(), 'store'),
    driver: 'directory',
  });
  const namesake = {...self(), namespace: 'pid:[1]', time: 'time:[1]'};
  const [first, second, third] = [self(), self(), namesake].map((owner) =>
    execs.add({session: 'work', owner, command: ['true'], sandbox: null}),
  );
  execs.drop(first!);
  expect(
    execs
      .runningIn('work')
      .map(({id}) => id)
      .sort(),
  ).toEqual([second!.id, third!.id].sort());
  execs.replace({...second!, sandbox: {pid: 7, started: '8'}});
  expect(execs.runningIn('work')).toContainEqual({...second, sandbox: {pid: 7, started: '8'}});

  // As version 0.1.0 wrote them.
  const {pid, started, boot, namespace} = self();
  for (const start of [started, '1']) {
    const record = {session: 'old', owner: {pid, started: start, boot, namespace}, command: ['true']};
    writeFileSync(join(layout.execs, `old.${start}.json`), `${JSON.stringify(record)}\n`);
  }
  expect(execs.dead().map(({id}) => id)).toEqual(['old.1']);
  expect(execs.runningIn('old').map(({id}) => id)).toEqual([`old.${started}`]);
  expect(readdirSync(layout.execs)).toHaveLength(3);
});
