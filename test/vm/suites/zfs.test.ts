/** What only the zfs driver does: foreign clones and snapshots, the ledger, limits, holds. */
import {afterEach, beforeEach, describe, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {existsSync, mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {ZfsDriver} from '../../../src/storage/zfs/driver.ts';
import {ownerOf, prepareRoom, roomsOf} from '../../../src/storage/zfs/room.ts';
import {Room} from '../../../src/storage/zfs/names.ts';
import {doing} from '../../contract/tree.ts';
import {cleanUp, temporaryDataset, temporaryDirectory} from '../../temporary.ts';

let dataset: string;
let directory: string;
let owner: string;
let driver: ZfsDriver;

beforeEach(async () => {
  dataset = temporaryDataset();
  owner = temporaryDirectory();
  directory = join(owner, 'volumes');
  mkdirSync(directory);
  await prepareRoom(dataset, owner);
  driver = new ZfsDriver(directory, {dataset, owner});
});

afterEach(cleanUp);

function zfs(...args: string[]): string {
  return execFileSync('zfs', args, {encoding: 'utf8'}).trim();
}

async function frozen(id: string, parent?: string): Promise<void> {
  await driver.create(id, parent === undefined ? {} : {parent});
  await driver.withTree(
    id,
    doing((tree) => writeFileSync(join(tree, `of-${id}`), randomBytes(100_000))),
  );
  await driver.freeze(id);
}

describe('what somebody else made', () => {
  test('is never destroyed, is reported, and keeps no more than it needs', async () => {
    await frozen('base');
    await frozen('next', 'base');
    zfs('snapshot', `${dataset}/volumes/base@mine`);
    zfs('clone', '-o', 'mountpoint=none', `${dataset}/volumes/next@next`, `${dataset}/copy`);
    zfs('create', `${dataset}/volumes/strange`);
    const before = await driver.check();
    expect(before.map(({kind}) => kind)).toEqual(['foreign', 'foreign', 'foreign']);
    for (const name of ['volumes/base@mine', 'copy', 'volumes/strange'])
      expect(before.some(({what}) => what.includes(`${dataset}/${name}`))).toBe(true);
    expect(await driver.check({fix: true})).toEqual(before);

    await driver.remove('base');
    await driver.remove('next');
    await driver.remove('strange');
    expect(await driver.list()).toEqual([]);
    for (const name of ['volumes/base@mine', 'copy', 'volumes/strange']) zfs('list', `${dataset}/${name}`);
    await expect(driver.create('brand', {parent: 'next'})).rejects.toMatchObject({code: 'NOT_FOUND'});

    zfs('destroy', `${dataset}/volumes/base@mine`);
    zfs('destroy', `${dataset}/copy`);
    zfs('destroy', `${dataset}/volumes/strange`);
    expect((await driver.check({fix: true})).map(({kind}) => kind)).not.toContain('foreign');
    expect(await driver.check()).toEqual([]);
    expect(zfs('list', '-H', '-r', '-o', 'name', `${dataset}/volumes`)).toBe(`${dataset}/volumes`);
  });

  test('a clone that somebody promoted by hand has taken a version along: it is found all the same', async () => {
    await frozen('base');
    await frozen('next', 'base');
    zfs('promote', `${dataset}/volumes/next`);
    expect(zfs('list', '-H', '-o', 'name', '-t', 'snapshot', '-r', `${dataset}/volumes`)).toContain(
      'next@base',
    );
    await driver.create('task', {parent: 'base', ephemeral: true});
    expect((await driver.list()).map(({id, state}) => `${id} ${state}`)).toEqual([
      'base frozen',
      'next frozen',
      'task active',
    ]);
    await driver.remove('task');
    await driver.remove('base');
    await driver.remove('next');
    expect(await driver.check()).toEqual([]);
    expect(zfs('list', '-H', '-r', '-o', 'name', `${dataset}/volumes`)).toBe(`${dataset}/volumes`);
  });

  test('a hold keeps a version that is removed from sight; it goes when the hold does', async () => {
    await frozen('base');
    zfs('hold', 'backup', `${dataset}/volumes/base@base`);
    await expect(driver.remove('base')).rejects.toMatchObject({code: 'BUSY'});
    zfs('release', 'backup', `${dataset}/volumes/base@base`);
    await driver.remove('base');
    expect(await driver.list()).toEqual([]);
  });
});

describe('what a power cut left half made', () => {
  // A dataset as it is before it gets its properties.
  const [cloned, empty] = ['0123456789', 'abcdefghjk'];

  beforeEach(() => {
    driver = new ZfsDriver(directory, {dataset, owner, young: 0});
  });

  test('may be in the making: nobody looks into it, takes it for his own or calls it foreign', async () => {
    driver = new ZfsDriver(directory, {dataset, owner});
    await frozen('base');
    zfs('clone', `${dataset}/volumes/base@base`, `${dataset}/volumes/${cloned}`);
    const place = temporaryDirectory();
    execFileSync('mount', ['-t', 'zfs', `${dataset}/volumes/${cloned}`, place]);
    try {
      // Mounted to be written to, it cannot be mounted for reading: a look would wait for five seconds, and fail.
      expect((await driver.list()).map(({id}) => id)).toEqual(['base']);
      expect(await driver.check({fix: true})).toEqual([]);
    } finally {
      execFileSync('umount', [place]);
    }
  });

  test('is a volume that ends with its command, and goes without a trace', async () => {
    await frozen('base');
    zfs('clone', `${dataset}/volumes/base@base`, `${dataset}/volumes/${cloned}`);
    zfs('create', `${dataset}/volumes/${empty}`);
    expect((await driver.list()).filter(({ephemeral}) => ephemeral).map(({id}) => id)).toEqual([
      cloned,
      empty,
    ]);
    expect(await driver.check({fix: true})).toEqual([]);
    await driver.remove(cloned);
    await driver.remove(empty);
    expect((await driver.list()).map(({id}) => id)).toEqual(['base']);
    expect(zfs('list', '-H', '-r', '-o', 'name', `${dataset}/volumes`)).not.toMatch(cloned);
  });

  test('is somebody’s once something was written to it, or a property was set', async () => {
    await frozen('base');
    zfs('clone', `${dataset}/volumes/base@base`, `${dataset}/volumes/${cloned}`);
    zfs('create', `${dataset}/volumes/${empty}`);
    zfs('create', '-o', 'canmount=off', `${dataset}/volumes/bbbbbbbbbb`);
    for (const name of [cloned, empty]) {
      const directory = temporaryDirectory();
      execFileSync('mount', ['-t', 'zfs', `${dataset}/volumes/${name}`, directory]);
      writeFileSync(join(directory, 'thesis'), 'years of work');
      execFileSync('umount', [directory]);
    }
    expect((await driver.list()).map(({id}) => id)).toEqual(['base']);
    for (const name of [cloned, empty, 'bbbbbbbbbb']) {
      await driver.remove(name);
      zfs('list', `${dataset}/volumes/${name}`);
    }
    expect((await driver.check({fix: true})).every(({kind}) => kind === 'foreign')).toBe(true);
  });

  test.each([true, false])('is the line of a ledger as soon as it is written to (%s)', async (programs) => {
    driver = new ZfsDriver(directory, {dataset, owner, programs});
    zfs('create', `${dataset}/images/debian`);
    expect([...(await driver.ledger.heads())]).toEqual([]);
    await driver.ledger.append({line: 'debian', seq: 1, text: '{}'});
    expect([...(await driver.ledger.heads())]).toEqual([['debian', 1]]);
    expect((await driver.ledger.lines()).map(({line}) => line)).toEqual(['debian']);
  });
});

describe('a room', () => {
  test('belongs to one store', async () => {
    expect(await ownerOf(new Room(dataset))).toBe(owner);
    expect(await roomsOf(owner)).toEqual([dataset]);
    await expect(prepareRoom(dataset, '/other/store')).rejects.toMatchObject({code: 'USAGE'});
    // Who died when it was marked goes on; once there is anything in it, its records are what is missing.
    await prepareRoom(dataset, owner);
    await frozen('base');
    await expect(prepareRoom(dataset, owner)).rejects.toMatchObject({
      message: expect.stringContaining('whose records are gone') as unknown,
    });
    const other = new ZfsDriver(directory, {dataset, owner: '/other/store'});
    await expect(other.list()).rejects.toMatchObject({code: 'FAILED'});
    await expect(other.remove('base')).rejects.toMatchObject({code: 'FAILED'});
    await expect(prepareRoom('nopool/x', owner)).rejects.toMatchObject({code: 'NOT_FOUND'});
  });

  test('is legacy mounted, and no snapshot tool’s business', async () => {
    await frozen('base');
    const get = (property: string): string =>
      zfs('get', '-H', '-o', 'value', property, `${dataset}/volumes/base`);
    expect(['mountpoint', 'canmount', 'com.sun:auto-snapshot', 'chrootctl:volume'].map(get)).toEqual([
      'legacy',
      'noauto',
      'false',
      'base',
    ]);
  });
});

describe('the ledger', () => {
  const note = (seq: number, text = `move ${seq}`) => ({
    memo: `memo ${seq}`,
    entry: {line: 'team/debian', seq, text},
  });

  test.each([true, false])('remembers with channel programs (%s)', async (programs) => {
    driver = new ZfsDriver(directory, {dataset, owner, programs});
    await driver.create('a');
    await driver.freeze('a', note(1));
    await driver.create('b', {parent: 'a', ephemeral: true});
    // Longer than one property may be, and not ASCII.
    const long = JSON.stringify('ü\n\t'.repeat(5000));
    await driver.freeze('b', {memo: long, entry: {line: 'team/debian', seq: 2, text: long}});
    await driver.ledger.append({line: 'other', seq: 1, text: '{}'});
    expect(await driver.ledger.heads()).toEqual(
      new Map([
        ['team/debian', 2],
        ['other', 1],
      ]),
    );
    const lines = await driver.ledger.lines();
    const line = lines.find((candidate) => candidate.line === 'team/debian');
    expect(line?.entries.map(({seq}) => seq)).toEqual([1, 2]);
    expect(JSON.parse(line?.entries[1]?.text ?? '')).toBe(JSON.parse(long));
    const memos = await driver.ledger.memos();
    expect([memos.get('a'), JSON.parse(memos.get('b') ?? '')]).toEqual(['memo 1', JSON.parse(long)]);

    await driver.ledger.forget('other');
    await driver.ledger.forget('other');
    await driver.remove('b');
    expect([...(await driver.ledger.memos()).keys()]).toEqual(['a']);
    expect([...(await driver.ledger.heads()).keys()]).toEqual(['team/debian']);
  });

  test.each([true, false])(
    'refuses what is based on older records, and freezes nothing then (%s)',
    async (programs) => {
      driver = new ZfsDriver(directory, {dataset, owner, programs});
      for (const seq of [1, 2, 3]) await driver.ledger.append({line: 'team/debian', seq, text: ''});
      await driver.create('a');
      await expect(driver.freeze('a', note(2))).rejects.toMatchObject({code: 'CONFLICT'});
      expect((await driver.list()).map(({state}) => state)).toEqual(['active']);
      // The last move may have been interrupted before it came true: it is written over.
      await driver.freeze('a', note(3, 'again'));
      const [line] = await driver.ledger.lines();
      expect(line?.entries.at(-1)).toEqual({seq: 3, text: 'again'});
    },
  );

  test('of racing processes one wins', async () => {
    await driver.ledger.append({line: 'x', seq: 1, text: ''});
    await Promise.all(['a', 'b', 'c'].map((id) => driver.create(id)));
    // Each believes to make the next move; the second to come finds the number taken, but may write over it: the
    // store's lock is what keeps them apart. Two further on nobody may.
    await driver.freeze('a', {memo: '', entry: {line: 'x', seq: 2, text: 'a'}});
    await driver.freeze('b', {memo: '', entry: {line: 'x', seq: 3, text: 'b'}});
    await expect(driver.freeze('c', {memo: '', entry: {line: 'x', seq: 2, text: 'c'}})).rejects.toMatchObject(
      {
        code: 'CONFLICT',
      },
    );
  });
});

test('a limit holds for what a session writes, and is gone when it has become a version', async () => {
  await frozen('base');
  await driver.create('kept', {parent: 'base', limit: 10 << 20});
  const fill = (bytes: number): Promise<void> =>
    driver.withTree(
      'kept',
      doing((tree) => writeFileSync(join(tree, 'fill'), randomBytes(bytes))),
    );
  await fill(2 << 20);
  await expect(fill(40 << 20)).rejects.toMatchObject({errno: -122});
  await driver.freeze('kept');
  expect(zfs('get', '-H', '-o', 'value', 'quota', `${dataset}/volumes/kept`)).toBe('none');
});

test('what it found is told in a line', async () => {
  expect(await driver.describe()).toMatch(
    /^dataset \S+, OpenZFS 2\.\d+\.\d+\S*, channel programs with (?:clone, )?(?:rename_snapshot, )?set_prop$/,
  );
});

test('sizes of all volumes at once are those of each', async () => {
  await frozen('base');
  await frozen('next', 'base');
  const usages = await driver.usages();
  expect([...usages.keys()].sort()).toEqual(['base', 'next']);
  for (const id of ['base', 'next']) expect(usages.get(id)).toBe(await driver.usage(id));
  expect(usages.get('next')).toBeGreaterThanOrEqual(100_000);
  expect(usages.get('next')).toBeLessThan(300_000);
});

test('many can look at one version at the same time, each mounting it and letting it go', async () => {
  await frozen('base');
  const look = async (): Promise<void> => {
    for (let round = 0; round < 6; round++)
      await driver.withTree(
        'base',
        doing((tree) => expect(existsSync(join(tree, 'of-base'))).toBe(true)),
      );
  };
  await Promise.all(Array.from({length: 6}, look));
});

describe('a clone that is thrown away', () => {
  const thrownAway = {parent: 'base', ephemeral: true, mayBeOverlay: () => true} as const;

  function snapshots(): string {
    return zfs('list', '-H', '-t', 'snapshot', '-o', 'name', '-r', `${dataset}/volumes`);
  }

  test('keeps what it lies upon, and the last of them lets it go', async () => {
    await frozen('base');
    await frozen('next', 'base');
    await driver.create('task', thrownAway);
    await driver.create('tesk', thrownAway);
    for (const id of ['task', 'tesk']) await (await driver.plan(id)).held?.release();
    const other = new ZfsDriver(directory, {dataset, owner});
    // While it is mounted: what is in the way of handing it over.
    await new ZfsDriver(directory, {dataset, owner}).withTree('task', async (tree) => {
      await other.remove('base');
      expect(existsSync(join(tree, 'of-base'))).toBe(true);
      expect(snapshots()).toContain('/base@base.base');
      expect((await other.list()).map(({id}) => id).sort()).toEqual(['next', 'task', 'tesk']);
      expect(await other.check({fix: true})).toEqual([]);
    });
    await other.remove('next');
    await driver.discard('task');
    await new ZfsDriver(directory, {dataset, owner}).withTree(
      'tesk',
      doing((tree) => expect(existsSync(join(tree, 'of-base'))).toBe(true)),
    );
    await other.discard('tesk');
    expect([snapshots(), await driver.check(), await driver.list()]).toEqual(['', [], []]);
  });

  test('of which nothing can be read keeps everything', async () => {
    await frozen('base');
    await driver.create('task', thrownAway);
    await (await driver.plan('task')).held?.release();
    writeFileSync(join(directory, 'task', 'volume.json'), '{');
    const other = new ZfsDriver(directory, {dataset, owner});
    await other.remove('base');
    expect(snapshots()).toContain('/base@base.base');
    await other.remove('task');
    expect((await other.check({fix: true})).map(({kind}) => kind)).toEqual(['leftover', 'leftover']);
    expect([snapshots(), await other.check()]).toEqual(['', []]);
  });

  test('is one that the pool has where it may not be an overlay', async () => {
    await frozen('base');
    let seen = false;
    const mayBeOverlay = ([layer = '']: readonly string[]): boolean => {
      seen = existsSync(join(layer, 'of-base'));
      return false;
    };
    await driver.create('task', {...thrownAway, mayBeOverlay});
    expect(seen).toBe(true);
    expect(zfs('list', '-H', '-o', 'name', `${dataset}/volumes/task`)).toBe(`${dataset}/volumes/task`);
    await driver.discard('task');
    await expect(driver.create('tesk', {...thrownAway, parent: 'nane'})).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await driver.create('way');
    await expect(driver.create('tesk', {...thrownAway, parent: 'way'})).rejects.toMatchObject({
      code: 'BUSY',
    });
  });
});
