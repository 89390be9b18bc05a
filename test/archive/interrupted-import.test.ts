import {expect, test} from '@jest/globals';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {unpackRoot} from '../../src/archive/unpack.ts';
import {importImage} from '../../src/images/import.ts';
import {childrenOf} from '../../src/sandbox/processes.ts';
import {Store} from '../../src/store/store.ts';
import {temporaryDirectory} from '../temporary.ts';
import {archive, entry} from './tar-bytes.ts';

test('an import that is interrupted as soon as it begins leaves no program that waits for it', async () => {
  const directory = temporaryDirectory();
  const root = join(directory, 'root');
  mkdirSync(join(root, 'etc'), {recursive: true});
  writeFileSync(join(root, 'etc/large'), Buffer.alloc(8 << 20, 1)); // More than a pipe holds.
  const store = await Store.open({root: join(directory, 'store'), driver: 'directory'});
  const before = childrenOf(process.pid);
  const signal = AbortSignal.abort(new Error('stopped'));
  await expect(importImage(store, root, {target: 'base', signal})).rejects.toThrow('stopped');
  const left = (): number[] => childrenOf(process.pid).filter((pid) => !before.includes(pid));
  // It would never end.
  for (let waited = 0; left().length > 0 && waited < 5000; waited += 20) await sleep(20);
  expect(left()).toEqual([]);
});

test.each(Array.from({length: 25}, (_, at) => at))(
  'an import of an archive that is interrupted %i ms after it began comes to an end',
  async (at) => {
    const directory = temporaryDirectory();
    const path = join(directory, 'root.tar');
    writeFileSync(path, archive(entry({name: 'large', body: Buffer.alloc(16 << 20, 1)})));
    const target = join(directory, 'target');
    mkdirSync(target);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('stopped')), at);
    await unpackRoot(path, target, {signal: controller.signal}).catch((error: unknown) => {
      expect(error).toMatchObject({message: 'stopped'});
    });
  },
  10_000,
);
