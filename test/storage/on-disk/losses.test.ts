/**
 * A disk that runs out below the file system (a thin one): what was written is dropped by the kernel, which tells so once. No
 * volume whose data may be among that is frozen, whoever was told.
 */
import {expect, test} from '@jest/globals';
import {execFileSync, spawnSync} from 'node:child_process';
import {mkdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {randomId} from '../../../src/ids.ts';
import {BtrfsDriver} from '../../../src/storage/btrfs/driver.ts';
import {DirectoryDriver} from '../../../src/storage/directory/driver.ts';
import type {VolumesOnDisk} from '../../../src/storage/on-disk/volumes.ts';
import {OverlayDriver} from '../../../src/storage/overlay/driver.ts';
import {LostWrites} from '../../../src/system/write-back.ts';
import {canMake} from '../../contract/loop.ts';
import {temporaryDirectory} from '../../temporary.ts';

const DRIVERS = [
  {name: 'overlay', type: 'xfs', make: (room: string) => new OverlayDriver(room)},
  {name: 'directory', type: 'xfs', make: (room: string) => new DirectoryDriver(room)},
  {name: 'btrfs', type: 'btrfs', make: (room: string) => new BtrfsDriver(room)},
].filter(({type}) => canMake(type));

/** More than what the file system has on the disk and has not used yet. */
const BYTES = 24 << 20;

class ThinDisk {
  readonly room: string;
  readonly #pool: string;
  readonly #mountPoint: string;

  constructor(type: string) {
    const directory = temporaryDirectory();
    this.#pool = join(directory, 'pool');
    this.#mountPoint = join(directory, 'mnt');
    for (const each of [this.#pool, this.#mountPoint]) mkdirSync(each);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=220M', 'none', this.#pool]);
    const image = join(this.#pool, 'image');
    execFileSync('truncate', ['-s', type === 'btrfs' ? '8G' : '1G', image]);
    if (type === 'btrfs') this.#makeBtrfs(directory, image);
    else {
      execFileSync(`mkfs.${type}`, ['-q', '-K', '-l', 'size=64m', image], {stdio: 'ignore'});
      execFileSync('mount', ['-o', 'loop', image, this.#mountPoint]);
    }
    this.room = join(this.#mountPoint, 'volumes');
  }

  /** Its own records lie on a good disk: without those it would become read-only, and say so by that. */
  #makeBtrfs(directory: string, image: string): void {
    const good = join(directory, 'good');
    execFileSync('truncate', ['-s', '700M', good]);
    execFileSync('mkfs.btrfs', ['-q', '-K', '-f', '-d', 'single', '-m', 'dup', good], {stdio: 'ignore'});
    execFileSync('mount', ['-o', 'loop', good, this.#mountPoint]);
    const device = execFileSync('losetup', ['-f', '--show', image], {encoding: 'utf8'}).trim();
    execFileSync('btrfs', ['device', 'add', '-f', '-K', device, this.#mountPoint], {stdio: 'ignore'});
    // It goes with the mount.
    execFileSync('losetup', ['-d', device]);
    writeFileSync(join(this.#mountPoint, 'pad'), Buffer.alloc(80 << 20, 'pad'));
    this.sync();
  }

  sync(): void {
    execFileSync('sync', ['-f', this.#mountPoint], {stdio: 'pipe'});
  }

  /** Has the disk run out before `work` writes to it, and gives it room again afterwards. Somebody else is told. */
  runOut(work: () => void): void {
    this.sync();
    const filler = join(this.#pool, 'filler');
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k'], {stdio: 'ignore'});
    work();
    expect(() => this.sync()).toThrow('No space left');
    rmSync(filler);
  }
}

async function made(driver: VolumesOnDisk, options: {parent: string; ephemeral?: boolean}): Promise<string> {
  const id = randomId();
  await driver.create(id, options);
  return id;
}

function write({volumes}: VolumesOnDisk, id: string): void {
  writeFileSync(join(volumes, id, 'fs/data'), Buffer.alloc(BYTES, id));
}

test.each(DRIVERS)('what a thin disk has lost is frozen by nobody, on $name', async ({type, make}) => {
  const disk = new ThinDisk(type);
  const maker = make(disk.room);
  const base = randomId();
  await maker.create(base);
  await maker.freeze(base);
  const kept = [await made(maker, {parent: base}), await made(maker, {parent: base})];
  disk.runOut(() => {
    for (const id of kept) write(maker, id);
  });
  // Processes that were not there when it happened, one after the other.
  for (const id of [...kept, ...kept])
    await expect(make(disk.room).freeze(id)).rejects.toBeInstanceOf(LostWrites);
  await expect(make(disk.room).snapshot(kept[0] ?? '', randomId())).rejects.toBeInstanceOf(LostWrites);
  // What is made now has lost nothing.
  const next = await made(make(disk.room), {parent: base});
  write(maker, next);
  await make(disk.room).freeze(next);
});

test.each(DRIVERS)('who watches is told, whoever else was, on $name', async ({type, make}) => {
  const disk = new ThinDisk(type);
  const driver = make(disk.room);
  const base = randomId();
  await driver.create(base);
  await driver.freeze(base);
  const runner = make(disk.room);
  const end = runner.watch();
  const clone = await made(runner, {parent: base, ephemeral: true});
  disk.runOut(() => write(runner, clone));
  await expect(runner.freeze(clone)).rejects.toBeInstanceOf(LostWrites);
  end();
});

test.each(DRIVERS.slice(0, 1))(
  'a damaged count makes those suspect that were there before, on $name',
  async ({type, make}) => {
    const disk = new ThinDisk(type);
    const driver = make(disk.room);
    const base = randomId();
    await driver.create(base);
    await driver.freeze(base);
    const before = await made(driver, {parent: base});
    writeFileSync(join(disk.room, '.losses'), '{"count":');
    const after = await made(make(disk.room), {parent: base});
    await expect(make(disk.room).freeze(before)).rejects.toBeInstanceOf(LostWrites);
    await make(disk.room).freeze(after);
  },
);
