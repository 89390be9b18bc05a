/** What is the btrfs driver's own: subvolumes inside volumes, its own marks of damage, and what it counts. */
import {afterEach, beforeEach, describe, expect, test} from '@jest/globals';
import {execFileSync, spawnSync} from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {BtrfsDriver} from '../../../src/storage/btrfs/driver.ts';
import {readRecord, writeRecord} from '../../../src/storage/on-disk/volume-record.ts';
import {self} from '../../../src/system/identity.ts';
import {withMounted} from '../../../src/system/view.ts';
import {loopFileSystem} from '../../contract/loop.ts';
import {makeOddTree} from '../../contract/odd.ts';
import {doing, listTree} from '../../contract/tree.ts';

let mounted: string;
let volumes: string;
let driver: BtrfsDriver;
let cleanup: () => void;

beforeEach(async () => {
  ({directory: mounted, cleanup} = loopFileSystem('btrfs'));
  volumes = join(mounted, 'volumes');
  driver = new BtrfsDriver(volumes);
  await driver.create('base');
  await write('base', 'file', 'base');
  await driver.freeze('base');
});

afterEach(() => cleanup());

async function write(id: string, path: string, content: string | Buffer): Promise<void> {
  await driver.withTree(
    id,
    doing((tree) => {
      mkdirSync(dirname(join(tree, path)), {recursive: true});
      writeFileSync(join(tree, path), content);
    }),
  );
}

async function read(id: string, path: string): Promise<string> {
  return driver.withTree(id, (tree) => Promise.resolve(readFileSync(join(tree, path), 'utf8')));
}

function btrfs(...words: string[]): string {
  return execFileSync('btrfs', words, {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']});
}

function subvolumes(): number {
  return btrfs('subvolume', 'list', mounted).split('\n').length - 1;
}

/** Calls check with the clock two minutes on: leftovers are told by their age. */
async function whatIsFound(options: {fix?: boolean} = {}): Promise<string[]> {
  const now = Date.now;
  Date.now = () => now() + 120_000;
  try {
    return (await driver.check(options)).map(
      ({kind, what, fix}) => `${kind}: ${what}${fix === undefined ? '' : ` (${fix})`}`,
    );
  } finally {
    Date.now = now;
  }
}

/** Subvolumes in subvolumes, as systemd makes them, and as nobody should. */
function makeNested(tree: string): void {
  mkdirSync(join(tree, 'var/lib'), {recursive: true});
  const machines = join(tree, 'var/lib/machines');
  btrfs('subvolume', 'create', machines);
  writeFileSync(join(machines, 'image'), 'precious');
  btrfs('subvolume', 'create', join(machines, 'deep\ner'));
  writeFileSync(join(machines, 'deep\ner', 'inner'), 'dear');
  btrfs('subvolume', 'create', join(tree, 'top'));
  btrfs('subvolume', 'create', join(tree, 'top/read-only'));
  writeFileSync(join(tree, 'top/read-only/image'), 'costly');
  btrfs('property', 'set', '-t', 'subvol', join(tree, 'top/read-only'), 'ro', 'true');
  utimesSync(join(tree, 'var/lib'), 1e9, 1e9);
}

describe('subvolumes inside a volume', () => {
  test('go with it, whatever they are called; no other subvolume does', async () => {
    await driver.create('kept', {parent: 'base'});
    const id = btrfs('inspect-internal', 'rootid', join(volumes, 'kept/fs')).trim();
    for (const options of [{}, {ephemeral: true}]) {
      const before = subvolumes();
      await driver.create('task', {parent: 'base', ...options});
      await driver.withTree('task', doing(makeNested));
      const own = btrfs('inspect-internal', 'rootid', join(volumes, 'task/fs')).trim();
      // A name that makes the list of subvolumes name another volume's as one inside this.
      btrfs(
        'subvolume',
        'create',
        join(volumes, 'task/fs', `x\nID ${id} gen 1 top level ${own} path volumes`),
      );
      await driver.remove('task');
      expect(readdirSync(volumes).sort()).toEqual(['.lock', 'base', 'kept']);
      expect(subvolumes()).toBe(before);
    }
    expect(await read('kept', 'file')).toBe('base');
  });

  test('are directories in the version and its clones', async () => {
    await driver.create('task', {parent: 'base', ephemeral: true});
    await driver.withTree('task', async (tree) => {
      makeNested(tree);
      btrfs('subvolume', 'create', join(tree, 'odd'));
      await makeOddTree(join(tree, 'odd'));
      btrfs('subvolume', 'create', join(tree, 'empty'));
      chmodSync(join(tree, 'empty'), 0o1700);
    });
    // Inode numbers, by which links are told, count anew in each subvolume.
    const listing = (tree: string): Promise<string[]> => {
      const withoutLinks = listTree(tree, {times: 'all'}).map((line) => line.replace(/ links \[.*?\] /, ' '));
      return Promise.resolve([...withoutLinks, ...listTree(join(tree, 'odd'), {times: 'all'})]);
    };
    const before = await driver.withTree('task', listing);
    await driver.freeze('task');
    expect(readdirSync(join(volumes, 'task')).sort()).toEqual(['frozen', 'volume.json']);
    await driver.create('next', {parent: 'task'});
    for (const id of ['task', 'next']) expect(await driver.withTree(id, listing)).toEqual(before);
    expect(await read('next', 'var/lib/machines/deep\ner/inner')).toBe('dear');
    expect(btrfs('subvolume', 'list', '-o', join(volumes, 'next/fs'))).toBe('');
    expect(await driver.check()).toEqual([]);
  });

  test('stay what they are in a session that a snapshot is taken of', async () => {
    await driver.create('vm', {parent: 'base'});
    await withMounted(await driver.plan('vm'), async (tree) => {
      makeNested(tree);
      await driver.snapshot('vm', 'saved');
      writeFileSync(join(tree, 'var/lib/machines/image'), 'changed');
    });
    expect(readdirSync(join(volumes, 'saved')).sort()).toEqual(['frozen', 'volume.json']);
    expect(await read('saved', 'var/lib/machines/image')).toBe('precious');
    expect(btrfs('subvolume', 'list', '-o', join(volumes, 'vm/fs')).split('\n').length).toBe(3);
    await driver.remove('vm');
    expect(await read('saved', 'top/read-only/image')).toBe('costly');
  });

  test('are found where only a part of the file system is mounted', async () => {
    btrfs('subvolume', 'create', join(mounted, '@'));
    const part = mkdtempSync(join(tmpdir(), 'part-'));
    execFileSync('mount', ['-o', 'subvol=@', join(dirname(mounted), 'image'), part]);
    try {
      driver = new BtrfsDriver(join(part, 'vol\numes'));
      await driver.create('task');
      await driver.withTree('task', doing(makeNested));
      await driver.snapshot('task', 'saved');
      expect(await read('saved', 'var/lib/machines/image')).toBe('precious');
      await driver.remove('task');
      await driver.remove('saved');
      expect(readdirSync(join(part, 'vol\numes'))).toEqual(['.lock']);
    } finally {
      execFileSync('umount', [part]);
      rmSync(part, {recursive: true});
    }
  });

  test('of a commit that fails half-way are there as before, and the next one has them', async () => {
    await driver.create('task', {parent: 'base'});
    await driver.withTree('task', doing(makeNested));
    const path = process.env['PATH'];
    process.env['PATH'] = `${mkdtempSync(join(mounted, 'bin-'))}:${path ?? ''}`;
    const cp = join(process.env['PATH'].split(':')[0] ?? '', 'cp');
    try {
      writeFileSync(cp, '#!/bin/sh\nexec /bin/false\n', {mode: 0o755});
      await expect(driver.freeze('task')).rejects.toMatchObject({code: 'FAILED'});
      await expect(driver.snapshot('task', 'saved')).rejects.toMatchObject({code: 'FAILED'});
    } finally {
      process.env['PATH'] = path;
    }
    expect(readdirSync(join(volumes, 'task')).sort()).toEqual(['fs', 'volume.json', 'work']);
    expect(readdirSync(volumes).sort()).toEqual(['.lock', 'base', 'task']);
    await write('task', 'still', 'writable');
    await driver.freeze('task');
    expect(await read('task', 'top/read-only/image')).toBe('costly');
  });

  test('whose removal was killed between two of them are removed by the next', async () => {
    const before = subvolumes();
    await driver.create('task', {parent: 'base'});
    await driver.withTree('task', doing(makeNested));
    rmSync(join(volumes, 'task/volume.json'));
    btrfs('subvolume', 'delete', join(volumes, 'task/fs/var/lib/machines/deep\ner'));
    await driver.remove('task');
    expect(readdirSync(volumes).sort()).toEqual(['.lock', 'base']);
    expect(subvolumes()).toBe(before);
  });
});

describe('an interruption', () => {
  test('of a creation leaves a subvolume that removal and check know for what it is', async () => {
    const before = subvolumes();
    for (const id of ['ha1f', 'ha2f', 'ha3f', 'ha4f']) {
      await driver.create(id, {parent: 'base'});
      await driver.withTree(id, doing(makeNested));
      const record = readRecord(volumes, id)!;
      const maker = {...self(), pid: spawnSync('true').pid, started: '1'};
      if (id === 'ha1f' || id === 'ha3f') rmSync(join(volumes, id, 'volume.json'));
      else writeRecord(volumes, {...record, state: 'making', maker}, {durable: false});
    }
    await driver.remove('ha1f');
    await driver.remove('ha2f');
    expect(await driver.list()).toEqual([{id: 'base', state: 'frozen', parent: null, ephemeral: false}]);
    expect(await whatIsFound({fix: true})).toEqual([
      'leftover: ha3f has no volume.json: a volume half made or half removed (delete it)',
      'leftover: volume ha4f was left half made (delete it)',
    ]);
    expect(readdirSync(volumes).sort()).toEqual(['.lock', 'base']);
    expect(subvolumes()).toBe(before);
  });

  test('of a freeze leaves the volume active, or frozen with something to clear away', async () => {
    for (const id of ['bef0re', 'after']) {
      await driver.create(id, {parent: 'base'});
      await write(id, 'file', 'new');
      btrfs('subvolume', 'snapshot', '-r', join(volumes, id, 'fs'), join(volumes, id, 'frozen'));
      btrfs('subvolume', 'snapshot', join(volumes, id, 'fs'), join(volumes, id, 'merged'));
    }
    await write('bef0re', 'file', 'newer');
    await driver.freeze('bef0re');
    expect(await read('bef0re', 'file')).toBe('newer');
    const record = readRecord(volumes, 'after')!;
    const {btrfs: measured} = readRecord(volumes, 'bef0re')!;
    writeRecord(
      volumes,
      {...record, state: 'frozen', layers: ['after/frozen'], btrfs: measured!},
      {durable: false},
    );
    expect((await whatIsFound({fix: true})).map((line) => line.replace(/^.*volumes/, ''))).toEqual([
      '/after/fs is of no use any more (delete it)',
      '/after/merged is of no use any more (delete it)',
      '/after/work is of no use any more (delete it)',
    ]);
    for (const id of ['bef0re', 'after'])
      expect(readdirSync(join(volumes, id)).sort()).toEqual(['frozen', 'volume.json']);
    expect(await read('after', 'file')).toBe('new');
  });

  test.each(['freeze', 'snapshot'] as const)(
    'by a power cut finds all data of a %s on the disk',
    async (how) => {
      await driver.create('task', {parent: 'base', ephemeral: true});
      await write('task', 'large', Buffer.alloc(20 << 20, 'x'));
      for (let n = 0; n < 300; n++) await write('task', `small/${n}`, `${n}`);
      const path = how === 'freeze' ? 'task' : 'saved';
      const before = await driver.withTree('task', (tree) => Promise.resolve(listTree(tree)));
      if (how === 'freeze') await driver.freeze('task');
      else await driver.snapshot('task', 'saved');
      // What the disk would hold: unmounting would write the rest.
      const [image, after] = [join(dirname(mounted), 'image'), mkdtempSync(join(tmpdir(), 'power-cut-'))];
      execFileSync('cp', ['--sparse=always', image, join(after, 'image')]);
      execFileSync('umount', [mounted]);
      const place = join(after, 'mnt');
      mkdirSync(place);
      execFileSync('mount', ['-o', 'loop', join(after, 'image'), place]);
      try {
        const then = new BtrfsDriver(join(place, 'volumes'));
        expect(await then.list()).toContainEqual({
          id: path,
          state: 'frozen',
          parent: 'base',
          ephemeral: false,
        });
        expect(await then.withTree(path, (tree) => Promise.resolve(listTree(tree)))).toEqual(before);
      } finally {
        execFileSync('umount', [place]);
        rmSync(after, {recursive: true});
        execFileSync('mount', ['-o', 'loop', image, mounted]);
      }
    },
  );
});

describe('a frozen volume that somebody made writable', () => {
  beforeEach(() => {
    btrfs('property', 'set', '-t', 'subvol', join(volumes, 'base/frozen'), 'ro', 'false');
  });

  test('is reported, and made read-only again when nothing in it has changed', async () => {
    const found = [
      'damaged-volume: volume base is frozen, but somebody made it writable; nothing has changed (make it read-only)',
    ];
    expect(await whatIsFound()).toEqual(found);
    expect(await whatIsFound({fix: true})).toEqual(found);
    expect(() => appendFileSync(join(volumes, 'base/frozen/file'), 'x')).toThrow(/EROFS/);
    expect(await whatIsFound()).toEqual([]);
  });

  test.each(['content', 'mode', 'deletion'])('is damaged for good by a change of %s', async (change) => {
    await sleep(20);
    const file = join(volumes, 'base/frozen/file');
    const {atime, mtime} = statSync(file);
    if (change === 'mode') chmodSync(file, 0o600);
    else if (change === 'deletion') rmSync(file);
    else {
      writeFileSync(file, 'BASE');
      utimesSync(file, atime, mtime);
    }
    const path = join(volumes, 'base/frozen', change === 'deletion' ? '' : 'file').replace(/\/$/, '');
    const found = [
      `damaged-volume: volume base is frozen, but somebody made it writable, and ${path} has changed since`,
    ];
    expect(await whatIsFound({fix: true})).toEqual(found);
    expect(await whatIsFound()).toEqual(found);
  });
});

test('a volume that is no subvolume, as from a backup, is damaged, and can be removed', async () => {
  await driver.create('task', {parent: 'base'});
  execFileSync('cp', ['-a', join(volumes, 'task'), join(volumes, 'apart')]);
  const record = readFileSync(join(volumes, 'task/volume.json'), 'utf8').replaceAll('task', 'apart');
  writeFileSync(join(volumes, 'apart/volume.json'), record);
  expect(await whatIsFound()).toEqual(['damaged-volume: volume apart is not a subvolume']);
  await expect(driver.freeze('apart')).rejects.toMatchObject({code: 'FAILED'});
  await driver.remove('apart');
  expect(readdirSync(volumes).sort()).toEqual(['.lock', 'base', 'task']);
});

test('a full disk fails a commit and changes nothing; afterwards it goes on', async () => {
  await driver.create('task', {parent: 'base'});
  await driver.withTree('task', (tree) => {
    const fill = ['if=/dev/zero', `of=${join(tree, 'fill')}`, 'bs=1M'];
    expect(spawnSync('dd', fill, {encoding: 'utf8'}).stderr).toMatch(/No space left/);
    for (let n = 0; n < 20_000; n++) {
      try {
        writeFileSync(join(tree, `f${n}`), 'x'.repeat(2000));
      } catch {
        break; // ENOSPC: the metadata are full too.
      }
    }
    return Promise.resolve();
  });
  await expect(driver.create('next', {parent: 'base'})).rejects.toThrow(/ENOSPC|No space left/);
  await expect(driver.freeze('task')).rejects.toThrow(/ENOSPC|No space left/);
  await expect(driver.snapshot('task', 'saved')).rejects.toThrow(/ENOSPC|No space left/);
  expect(readdirSync(volumes).sort()).toEqual(['.lock', 'base', 'task']);
  expect(readdirSync(join(volumes, 'task')).sort()).toEqual(['fs', 'volume.json', 'work']);
  await driver.withTree(
    'task',
    doing((tree) => rmSync(join(tree, 'fill'))),
  );
  await driver.freeze('task');
  await driver.remove('task');
  await driver.create('next', {parent: 'base'});
  await driver.freeze('next');
  expect(await driver.check()).toEqual([]);
}, 300_000);

describe('usage', () => {
  const MEGABYTE = 1 << 20;

  test('counts what was written since the volume was cloned, however often, and not what reflinks share', async () => {
    await driver.create('v1', {parent: 'base'});
    await write('v1', 'large', Buffer.alloc(4 * MEGABYTE, 1));
    await driver.freeze('v1');
    await driver.create('v2', {parent: 'v1'});
    expect(await driver.usage('v2')).toBe(0);
    await driver.withTree('v2', (tree) => {
      execFileSync('cp', ['--reflink=always', join(tree, 'large'), join(tree, 'again')]);
      return Promise.resolve();
    });
    expect(await driver.usage('v2')).toBe(0);
    await write('v2', 'large', Buffer.alloc(2 * MEGABYTE, 2));
    expect(await driver.usage('v2')).toBe(2 * MEGABYTE);
    await write('v2', 'small', 'inline');
    expect(await driver.usage('v2')).toBe(2 * MEGABYTE + 'inline'.length);
    await driver.snapshot('v2', 'saved');
    await write('v2', 'more', Buffer.alloc(MEGABYTE, 3));
    await driver.freeze('v2');
    expect(await driver.usage('saved')).toBe(2 * MEGABYTE + 'inline'.length);
    expect(await driver.usage('v2')).toBe(3 * MEGABYTE + 'inline'.length);
    await driver.create('v3', {parent: 'v2'});
    await driver.freeze('v3');
    expect(await driver.usage('v3')).toBe(0);
    await driver.remove('v1');
    expect(await driver.usage('v2')).toBe(3 * MEGABYTE + 'inline'.length);
  });
});

describe('changes of a clone', () => {
  const LARGE = 8 << 20;

  beforeEach(async () => {
    await driver.create('v1');
    await write('v1', 'large', Buffer.alloc(LARGE, 1));
    for (const name of ['rewritten', 'touched', 'moved', 'covered'])
      await write('v1', name, 'x'.repeat(10_000));
    await sleep(150); // What changed just before the freeze is compared in any case.
    await driver.freeze('v1');
    await driver.create('v2', {parent: 'v1'});
    await driver.withTree(
      'v2',
      doing((tree) => {
        const {atime, mtime} = statSync(join(tree, 'rewritten'));
        writeFileSync(join(tree, 'rewritten'), 'y'.repeat(10_000));
        utimesSync(join(tree, 'rewritten'), atime, mtime);
        chmodSync(join(tree, 'touched'), 0o600);
        chmodSync(join(tree, 'touched'), 0o644);
        renameSync(join(tree, 'moved'), join(tree, 'covered'));
      }),
    );
    await driver.freeze('v2');
    await driver.create('v3', {parent: 'v2'});
  });

  const found = [
    {path: '/moved', kind: 'deleted'},
    {path: '/rewritten', kind: 'changed'},
  ];

  test('are found by comparing what is not the same file untouched', async () => {
    const bytesRead = (): number => Number(/^rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
    const before = bytesRead();
    expect(await Array.fromAsync(driver.changes('v1', 'v2'))).toEqual(found);
    expect(await Array.fromAsync(driver.changes('v1', 'v3'))).toEqual(found);
    expect((await Array.fromAsync(driver.changes('v3', 'v1'))).map(({path}) => path)).toEqual([
      '/moved',
      '/rewritten',
    ]);
    expect(bytesRead() - before).toBeLessThan(LARGE);
  });

  test('are the same when nothing tells any more that it is one', async () => {
    await driver.remove('v2');
    expect(await Array.fromAsync(driver.changes('v1', 'v3'))).toEqual(found);
  });

  test('are told of two clones of one parent, whose new files may have the same numbers', async () => {
    for (const [id, content] of [
      ['a', 'one'],
      ['b', 'two'],
    ] as const) {
      await driver.create(id, {parent: 'v1'});
      await write(id, 'new', content);
    }
    const numbers = ['a', 'b'].map((id) => statSync(join(volumes, id, 'fs/new')).ino);
    expect(numbers[0]).toBe(numbers[1]);
    expect(await Array.fromAsync(driver.changes('a', 'b'))).toEqual([{path: '/new', kind: 'changed'}]);
  });
});

describe('a clone that is thrown away', () => {
  const thrownAway = {parent: 'base', ephemeral: true, mayBeOverlay: () => true} as const;

  test('is an overlay, and no subvolume is made or deleted for it', async () => {
    const subvolumes = btrfs('subvolume', 'list', mounted);
    await driver.create('task', thrownAway);
    expect(await driver.plan('task')).toMatchObject({type: 'overlay'});
    expect(await driver.plan('task', {readOnly: true})).toMatchObject({type: 'overlay'});
    await write('task', 'file', 'task');
    expect(btrfs('subvolume', 'list', mounted)).toBe(subvolumes);
    expect(driver.plainRemoval('task')).toMatchObject({name: 'task', gone: 'task.gone'});
    await driver.discard('task');
    expect(readdirSync(volumes).sort()).toEqual(['.lock', '.overlay', 'base']);
  });

  test('has no two files of one number, though subvolumes have', async () => {
    await driver.create('m', {parent: 'base'});
    await driver.withTree(
      'm',
      doing((tree) => {
        for (let file = 0; file < 300; file++) writeFileSync(join(tree, `old${file}`), '');
      }),
    );
    await driver.freeze('m');
    await driver.create('task', {...thrownAway, parent: 'm'});
    await driver.withTree(
      'task',
      doing((tree) => {
        for (let file = 0; file < 300; file++) writeFileSync(join(tree, `new${file}`), '');
        appendFileSync(join(tree, 'old7'), 'changed');
        const stats = readdirSync(tree).map((name) => statSync(join(tree, name), {bigint: true}));
        expect(new Set(stats.map(({ino}) => ino)).size).toBe(601);
        expect(new Set(stats.map(({dev}) => dev)).size).toBe(1);
      }),
    );
  });

  test('is a subvolume where overlayfs does not work, and what was tried out is remembered for this kernel', async () => {
    await driver.create('task', thrownAway);
    await driver.discard('task');
    const remembered = join(volumes, '.overlay');
    const [here = '', answer] = readFileSync(remembered, 'utf8').split('\n');
    expect(answer).toBe('yes');
    writeFileSync(remembered, `${here}\nno\n`);
    await driver.create('task', thrownAway);
    expect(await driver.plan('task')).toMatchObject({type: 'none'});
    expect(driver.plainRemoval('task')).toBeUndefined();
    await driver.discard('task');
    // Of another kernel, or torn, it says nothing.
    for (const text of ['5.0.0 user:[1]\nno\n', '', here]) {
      writeFileSync(remembered, text);
      await driver.create('task', thrownAway);
      expect(await driver.plan('task')).toMatchObject({type: 'overlay'});
      await driver.discard('task');
      expect(readFileSync(remembered, 'utf8')).toBe(`${here}\nyes\n`);
    }
  });

  test('is a subvolume where who asks for it says so', async () => {
    const asked: (readonly string[])[] = [];
    const mayBeOverlay = (layers: readonly string[]): boolean => (asked.push(layers), false);
    await driver.create('task', {...thrownAway, mayBeOverlay});
    expect(await driver.plan('task')).toMatchObject({type: 'none'});
    expect(asked).toEqual([[join(volumes, 'base/frozen')]]);
  });

  test('is a subvolume where the version does not tell whether its root has attributes', async () => {
    const {rootAttributes, ...older} = readRecord(volumes, 'base')!;
    expect(rootAttributes).toBe(false);
    writeRecord(volumes, older, {durable: false});
    await driver.create('task', thrownAway);
    expect(await driver.plan('task')).toMatchObject({type: 'none'});
  });
});
