/** A volume that nobody waits for: small ones go at once, large ones by a process of their own. */
import {afterEach, expect, test} from '@jest/globals';
import {existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {DirectoryDriver} from '../../../src/storage/directory/driver.ts';
import type {VolumeRecord} from '../../../src/storage/on-disk/volume-record.ts';

let room = '';

afterEach(() => {
  rmSync(room, {recursive: true});
});

async function volumeOf(files: number): Promise<{driver: DirectoryDriver; directory: string}> {
  room = mkdtempSync('/dev/shm/chrootctl-discard-'); // In memory: so many files take long to make on a disk.
  const volumes = join(room, 'volumes');
  mkdirSync(volumes);
  const driver = new DirectoryDriver(volumes);
  await driver.create('task', {ephemeral: true});
  await driver.withTree('task', (tree) => {
    for (let n = 0; n < files; n++) {
      const directory = join(tree, `d${Math.floor(n / 1000)}`);
      if (n % 1000 === 0) mkdirSync(directory);
      writeFileSync(join(directory, `f${n}`), '');
    }
    return Promise.resolve();
  });
  return {driver, directory: join(volumes, 'task')};
}

test('a small one is gone when the call returns', async () => {
  const {driver, directory} = await volumeOf(2000);
  await driver.discard('task');
  expect(existsSync(directory)).toBe(false);
});

test('a large one is no volume any more, and nobody’s leftover while it is deleted', async () => {
  const {driver, directory: place} = await volumeOf(60_000);
  await driver.discard('task');
  expect(existsSync(place)).toBe(false);
  const directory = `${place}.gone`;
  expect(existsSync(directory)).toBe(true);
  expect(await driver.list()).toEqual([]);
  expect(await driver.check({fix: true})).toEqual([]);
  while (existsSync(directory)) await sleep(10);
  await driver.discard('task');
});

test('what its deleter left when it died is found and deleted', async () => {
  const {driver, directory: place} = await volumeOf(60_000);
  await driver.discard('task');
  const directory = `${place}.gone`;
  const {maker} = JSON.parse(readFileSync(join(directory, 'volume.json'), 'utf8')) as VolumeRecord;
  process.kill(-(maker?.pid ?? NaN), 'SIGKILL');
  while ((await driver.check()).length === 0) await sleep(10);
  expect(await driver.list()).toEqual([]);
  expect(await driver.check()).toEqual([expect.objectContaining({kind: 'leftover'})]);
  await driver.check({fix: true});
  expect(existsSync(directory)).toBe(false);
});
