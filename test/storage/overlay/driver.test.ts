/** What is the overlay driver's own: how it mounts, and what it must never do to what is mounted. */
import {afterEach, beforeEach, expect, test} from '@jest/globals';
import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {DEPTH_LIMIT} from '../../../src/storage/overlay/flatten.ts';
import {OverlayDriver} from '../../../src/storage/overlay/driver.ts';
import {withMounted} from '../../../src/system/view.ts';
import {doing} from '../../contract/tree.ts';

let root: string;
let volumes: string;
let driver: OverlayDriver;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'overlay-'));
  volumes = join(root, 'volumes');
  driver = new OverlayDriver(volumes);
  await driver.create('base');
  await driver.freeze('base');
});

afterEach(() => {
  rmSync(root, {recursive: true});
});

test('what is ours is closed to others, whatever the umask', async () => {
  const umask = process.umask(0);
  try {
    const other = new OverlayDriver(join(root, 'other/volumes'));
    await other.create('a');
    for (const path of ['other/volumes', 'other/volumes/a', 'other/volumes/a/work']) {
      expect(statSync(join(root, path)).mode & 0o7777).toBe(0o700);
    }
    expect(statSync(join(root, 'other/volumes/a/fs')).mode & 0o7777).toBe(0o755);
  } finally {
    process.umask(umask);
  }
});

test('frozen layers depend on nothing but themselves, and only ephemeral volumes go without syncs', async () => {
  await driver.create('kept', {parent: 'base'});
  await driver.create('task', {parent: 'base', ephemeral: true});
  const alone = ['metacopy=off', 'index=off'];
  expect((await driver.plan('kept')).options).toEqual([
    'redirect_dir=on',
    ...alone,
    'lowerdir=base/fs',
    'upperdir=kept/fs',
    'workdir=kept/work',
  ]);
  expect((await driver.plan('task')).options).toContain('volatile');
  expect((await driver.plan('task', {readOnly: true})).options).toEqual([
    'ro',
    'redirect_dir=follow',
    ...alone,
    'lowerdir=task/fs:base/fs',
  ]);
  await driver.freeze('task');
  expect((await driver.plan('task')).options).toEqual([
    'ro',
    'redirect_dir=nofollow',
    ...alone,
    'lowerdir=task/fs:base/fs',
  ]);
});

test('a stack of the greatest depth, with the longest ids, can be mounted', async () => {
  const id = (n: number): string => String(n).padStart(32, 'z');
  await driver.create(id(1), {parent: 'base'});
  await driver.freeze(id(1));
  for (let n = 2; n <= DEPTH_LIMIT; n++) {
    await driver.create(id(n), {parent: id(n - 1), ephemeral: true});
    if (n < DEPTH_LIMIT) await driver.freeze(id(n));
  }
  expect((await driver.plan(id(DEPTH_LIMIT))).layers.length).toBe(DEPTH_LIMIT + 1);
  await driver.withTree(
    id(DEPTH_LIMIT),
    doing((tree) => writeFileSync(join(tree, 'file'), '')),
  );
  expect(readdirSync(join(volumes, id(DEPTH_LIMIT), 'fs'))).toEqual(['file']);
});

test('an ephemeral volume that is mounted is not given a second mount', async () => {
  await driver.create('task', {parent: 'base', ephemeral: true});
  await withMounted(await driver.plan('task'), async (tree) => {
    await expect(driver.plan('task')).rejects.toMatchObject({code: 'BUSY'});
    mkdirSync(join(tree, 'still works'));
  });
  await expect(driver.plan('task')).resolves.toMatchObject({type: 'overlay'});
});

test('what is mounted inside a volume survives its removal', async () => {
  const precious = join(root, 'precious');
  mkdirSync(precious);
  writeFileSync(join(precious, 'file'), 'precious');
  for (const options of [{}, {ephemeral: true}]) {
    await driver.create('task', options);
    const inside = join(volumes, 'task/fs/home');
    mkdirSync(inside);
    execFileSync('mount', ['--bind', precious, inside]);
    try {
      await expect(driver.remove('task')).rejects.toMatchObject({
        code: 'BUSY',
        message: expect.stringContaining(inside) as unknown,
      });
      expect(readFileSync(join(precious, 'file'), 'utf8')).toBe('precious');
    } finally {
      execFileSync('umount', [inside]);
    }
    await driver.remove('task');
    expect(existsSync(join(volumes, 'task'))).toBe(false);
  }
});

test('a symbolic link in a volume is removed, not what it points to', async () => {
  writeFileSync(join(root, 'precious'), '');
  mkdirSync(join(root, 'dear/inner'), {recursive: true});
  await driver.create('task');
  await driver.withTree('task', (tree) => {
    execFileSync('ln', ['-s', join(root, 'precious'), join(root, 'dear'), tree]);
    return Promise.resolve();
  });
  await driver.remove('task');
  expect(readdirSync(root).sort()).toEqual(['dear', 'precious', 'volumes']);
  expect(readdirSync(join(root, 'dear'))).toEqual(['inner']);
});

test('a mount in our own namespace is named by the process that stands in it', async () => {
  await driver.create('kept', {parent: 'base'});
  const {type, source, options, workingDirectory} = await driver.plan('kept');
  const place = join(root, 'mnt');
  mkdirSync(place);
  execFileSync('mount', ['-t', type, '-o', options.join(','), source, place], {cwd: workingDirectory});
  const worker = spawn('sleep', ['600'], {cwd: place});
  try {
    await once(worker, 'spawn');
    await expect(driver.remove('kept')).rejects.toMatchObject({
      code: 'BUSY',
      message: `volume kept is mounted at ${place} by process ${worker.pid} (sleep 600)`,
    });
    worker.kill();
    await once(worker, 'exit');
    await expect(driver.freeze('kept')).rejects.toMatchObject({
      message: `volume kept is mounted at ${place}`,
      hint: `umount ${place}, then try again`,
    });
  } finally {
    worker.kill();
    execFileSync('umount', [place]);
  }
  await driver.remove('kept');
});

test('a volume of the same id in another store is another volume', async () => {
  const elsewhere = new OverlayDriver(join(root, 'other/volumes'));
  await elsewhere.create('base');
  await elsewhere.freeze('base');
  for (const options of [{}, {parent: 'base'}]) {
    await driver.create('kept', options);
    await elsewhere.create('kept', options);
    await withMounted(await elsewhere.plan('kept'), async () => {
      await driver.remove('kept');
      await expect(elsewhere.remove('kept')).rejects.toMatchObject({code: 'BUSY'});
    });
    await elsewhere.remove('kept');
  }
});
