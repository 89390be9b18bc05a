/** What interrupted calls leave is found and cleared; what others are doing at the moment, and what is not ours, is left alone. */
import {afterEach, beforeEach, describe, expect, test} from '@jest/globals';
import {spawnSync} from 'node:child_process';
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
import {setTimeout as sleep} from 'node:timers/promises';
import {OverlayDriver} from '../../../src/storage/overlay/driver.ts';
import {readRecord, writeRecord} from '../../../src/storage/on-disk/volume-record.ts';
import {self} from '../../../src/system/identity.ts';
import {doing} from '../../contract/tree.ts';

let root: string;
let volumes: string;
let driver: OverlayDriver;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'check-'));
  volumes = join(root, 'volumes');
  driver = new OverlayDriver(volumes);
  await driver.create('base');
  await driver.withTree(
    'base',
    doing((tree) => writeFileSync(join(tree, 'file'), 'base')),
  );
  await driver.freeze('base');
});

afterEach(() => {
  rmSync(root, {recursive: true});
});

/** Calls check with the clock two minutes on: leftovers are told by their age. */
async function checkLater(options: {fix?: boolean} = {}): ReturnType<OverlayDriver['check']> {
  const now = Date.now;
  Date.now = () => now() + 120_000;
  try {
    return await driver.check(options);
  } finally {
    Date.now = now;
  }
}

async function whatIsFound(options: {fix?: boolean} = {}): Promise<string[]> {
  return (await checkLater(options)).map(
    ({kind, what, fix}) => `${kind}: ${what}${fix === undefined ? '' : ` (${fix})`}`,
  );
}

/** A process that ended: nobody's maker any more. */
function dead(): ReturnType<typeof self> {
  const {pid} = spawnSync('true');
  return {...self(), pid, started: '1'};
}

describe('leftovers', () => {
  test('a directory without a record is left alone while it is young, and cleared later', async () => {
    mkdirSync(join(volumes, 'made', 'fs'), {recursive: true});
    expect(await driver.check({fix: true})).toEqual([]);
    expect(existsSync(join(volumes, 'made'))).toBe(true);
    const found = ['leftover: made has no volume.json: a volume half made or half removed (delete it)'];
    expect(await whatIsFound()).toEqual(found);
    expect(existsSync(join(volumes, 'made'))).toBe(true);
    expect(await whatIsFound({fix: true})).toEqual(found);
    expect(existsSync(join(volumes, 'made'))).toBe(false);
    expect(await whatIsFound()).toEqual([]);
  });

  test('what a living process makes is left alone, however long it takes', async () => {
    await driver.create('next', {parent: 'base'});
    const record = readRecord(volumes, 'next')!;
    writeRecord(volumes, {...record, state: 'making', maker: self()}, {durable: false});
    expect(await whatIsFound({fix: true})).toEqual([]);
    expect(await driver.list()).toEqual([{id: 'base', state: 'frozen', parent: null, ephemeral: false}]);
    const namesake = {...self(), namespace: 'pid:[1]', time: 'time:[1]'};
    writeRecord(volumes, {...record, state: 'making', maker: namesake}, {durable: false});
    expect(await whatIsFound({fix: true})).toEqual([]);
    await expect(driver.remove('next')).rejects.toMatchObject({code: 'BUSY'});
    writeRecord(volumes, {...record, state: 'making', maker: dead()}, {durable: false});
    expect(await whatIsFound({fix: true})).toEqual(['leftover: volume next was left half made (delete it)']);
    expect(readdirSync(volumes)).not.toContain('next');
  });

  test('a removed parent stays for its heir, and what a killed removal left is collected', async () => {
    await driver.create('heer0', {parent: 'base'});
    const record = readRecord(volumes, 'base')!;
    writeRecord(volumes, {...record, state: 'removed'}, {durable: true});
    expect(await whatIsFound({fix: true})).toEqual([]);
    expect(existsSync(join(volumes, 'base/fs/file'))).toBe(true);
    rmSync(join(volumes, 'heer0'), {recursive: true});
    expect(await whatIsFound({fix: true})).toEqual([
      'leftover: volume base is removed and no other needs it, but it is still there (delete it)',
    ]);
    expect(readdirSync(volumes)).toEqual(['.lock']);
  });

  test('a record that a power cut tore is that of a volume which ended with the machine', async () => {
    await driver.create('next', {parent: 'base', ephemeral: true});
    for (const torn of ['', '{"chrootctl": 1,\n', `${JSON.stringify({chrootctl: 1})}\0\0\0\n`]) {
      writeFileSync(join(volumes, 'next/volume.json'), torn);
      expect(await driver.check({fix: true})).toEqual([]); // It may be young.
      expect((await driver.list()).map(({id}) => id)).toEqual(['base']);
      expect(await whatIsFound()).toEqual([
        'leftover: next has no volume.json: a volume half made or half removed (delete it)',
      ]);
    }
    await driver.remove('next');
    expect(readdirSync(volumes).sort()).toEqual(['.lock', 'base']);
  });

  test('parts that a volume has no use for are cleared, those it has are not', async () => {
    mkdirSync(join(volumes, 'base/work/work'), {recursive: true});
    mkdirSync(join(volumes, 'base/merged'));
    writeFileSync(join(volumes, 'base/volume.json.99.0.tmp'), '{');
    expect(await driver.check()).toEqual([]);
    expect((await whatIsFound({fix: true})).length).toBe(3);
    expect(readdirSync(join(volumes, 'base')).sort()).toEqual(['fs', 'volume.json']);
    await driver.create('next', {parent: 'base'});
    expect(await whatIsFound({fix: true})).toEqual([]);
    expect(readdirSync(join(volumes, 'next')).sort()).toEqual(['fs', 'volume.json', 'work']);
  });
});

describe('damage', () => {
  test('an unreadable record is reported, hides no other volume, and lets nothing be collected', async () => {
    await driver.create('next', {parent: 'base'});
    await driver.freeze('next');
    writeFileSync(join(volumes, 'next/volume.json'), '{"chrootctl": 1');
    expect(await whatIsFound({fix: true})).toEqual(['damaged-volume: the record of volume next is damaged']);
    await driver.remove('base');
    expect(await driver.list()).toEqual([]);
    expect(readFileSync(join(volumes, 'base/fs/file'), 'utf8')).toBe('base');
    await expect(driver.plan('next')).rejects.toMatchObject({code: 'FAILED'});
  });

  test.each([
    ['of another', {id: 'base'}],
    ['with a path for a layer', {layers: ['next/fs', '../../etc']}],
    ['with mount options for a layer', {layers: ['next/fs', 'base/fs,upperdir=/etc']}],
    ['with a parent that is no id', {parent: '..'}],
    ['in a state that is none', {state: 'lost'}],
    ['without our mark', {chrootctl: undefined}],
  ])('a record %s is damaged', async (_, change) => {
    await driver.create('next', {parent: 'base'});
    const record = JSON.parse(readFileSync(join(volumes, 'next/volume.json'), 'utf8')) as object;
    writeFileSync(join(volumes, 'next/volume.json'), JSON.stringify({...record, ...change}));
    expect((await whatIsFound()).length).toBe(1);
    await expect(driver.plan('next')).rejects.toMatchObject({code: 'FAILED'});
  });

  test('a missing layer is reported for every volume that needs it', async () => {
    await driver.create('next', {parent: 'base'});
    rmSync(join(volumes, 'base/fs'), {recursive: true});
    expect(await whatIsFound({fix: true})).toEqual([
      'damaged-volume: volume base lacks its layer base/fs',
      'damaged-volume: volume next lacks its layer base/fs',
    ]);
  });

  test('a directory with something of somebody else in it is never deleted', async () => {
    mkdirSync(join(volumes, 'precavs'), {recursive: true});
    writeFileSync(join(volumes, 'precavs', 'thesis.tex'), 'years of work');
    expect((await whatIsFound({fix: true}))[0]).toMatch(
      /^damaged-volume: .*thesis\.tex in it is not chrootctl's$/,
    );
    await expect(driver.remove('precavs')).rejects.toMatchObject({code: 'FAILED'});
    expect(existsSync(join(volumes, 'precavs/thesis.tex'))).toBe(true);
  });
});

describe('while others are at it', () => {
  test('volumes that are made, frozen and removed all the time are never reported nor touched', async () => {
    const ends = Date.now() + 1500;
    let made = 0;
    const busy = async (): Promise<void> => {
      while (Date.now() < ends) {
        const [first, second] = [`a${made}`, `b${made++}`];
        await driver.create(first, {parent: 'base'});
        await driver.freeze(first);
        await driver.create(second, {parent: first, ephemeral: true});
        await driver.remove(first);
        expect(statSync(join(volumes, first, 'fs')).isDirectory()).toBe(true);
        await driver.remove(second);
      }
    };
    const looking = async (): Promise<void> => {
      while (Date.now() < ends) {
        expect(await driver.check({fix: true})).toEqual([]);
        await sleep(1);
      }
    };
    await Promise.all([busy(), looking()]);
    expect(made).toBeGreaterThan(2);
    expect(readdirSync(volumes).sort()).toEqual(['.lock', 'base']);
  });
});
