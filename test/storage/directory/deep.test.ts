/** Trees with paths that are longer than a system call takes: cp(1) cannot copy them. */
import {beforeEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {DirectoryDriver} from '../../../src/storage/directory/driver.ts';
import {deleteTree} from '../../../src/storage/trees/delete.ts';
import {temporaryDirectory} from '../../temporary.ts';

let driver: DirectoryDriver;
let volumes: string;

beforeEach(async () => {
  volumes = join(temporaryDirectory(), 'volumes');
  mkdirSync(volumes);
  driver = new DirectoryDriver(volumes);
  await driver.create('base');
});

/** Directories one in the other, as a command makes them that goes down as it does. */
function nest(directory: string, levels: number, name: string): void {
  const program =
    'chdir shift or die; my ($n, $name) = @ARGV; for (1..$n) { mkdir $name or die; chdir $name or die }';
  execFileSync('perl', ['-e', program, directory, String(levels), name]);
}

test.each([
  [600, 'n'.repeat(250)],
  [5000, 'n'],
])('%i levels are refused before there is a version that nobody could clone', async (levels, name) => {
  const layer = join(volumes, 'base', 'fs');
  writeFileSync(join(layer, 'file'), 'kept');
  nest(layer, levels, name);
  await expect(driver.freeze('base')).rejects.toMatchObject({
    code: 'FAILED',
    message: expect.stringContaining('nested too deeply'),
  });
  await expect(driver.snapshot('base', 'next')).rejects.toMatchObject({code: 'FAILED'});
  expect(await driver.list()).toEqual([{id: 'base', state: 'active', parent: null, ephemeral: false}]);
  deleteTree(join(layer, name));
  await driver.freeze('base');
  await driver.create('next', {parent: 'base'});
  expect(execFileSync('cat', [join(volumes, 'next', 'fs', 'file')], {encoding: 'utf8'})).toBe('kept');
});

test('the deepest directory that is taken can be copied with the longest name in it', async () => {
  const layer = join(volumes, 'base', 'fs');
  const room = 4096 - 255 - 2 - Buffer.byteLength(layer);
  nest(layer, 1, 'n'.repeat(room - 1 - 200 * Math.floor((room - 1) / 200) || 1));
  const first = execFileSync('ls', [layer], {encoding: 'utf8'}).trim();
  nest(join(layer, first), Math.floor((room - 1 - first.length) / 200), 'n'.repeat(199));
  const deepest = execFileSync('find', [layer, '-type', 'd', '-empty'], {encoding: 'utf8'}).trim();
  expect(Buffer.byteLength(deepest)).toBe(4096 - 255 - 2);
  writeFileSync(join(deepest, 'f'.repeat(255)), 'deep');
  await driver.freeze('base');
  await driver.create('next', {parent: 'base'});
  const copied = execFileSync('find', [join(volumes, 'next', 'fs'), '-type', 'f', '-printf', '%s\n'], {
    encoding: 'utf8',
  });
  expect(copied).toBe('4\n');
});
