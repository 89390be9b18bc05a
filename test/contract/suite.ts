/** What every storage driver promises (src/storage/driver.ts), as checks that any driver can be put through. */
import {afterEach, beforeEach, describe, expect, test as jestTest} from '@jest/globals';
import {execFileSync, spawn, type ChildProcess} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {once} from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import type {StorageDriver} from '../../src/storage/driver.ts';
import type {DriverSettings} from '../../src/storage/kind.ts';
import {withMounted} from '../../src/system/view.ts';
import {makeOddTree} from './odd.ts';
import {doing, listTree} from './tree.ts';

export interface Fixture {
  driver: StorageDriver;
  /** What `openDriver` takes, for calls from other processes. */
  directory: string;
  settings?: DriverSettings;
  /** Names of all that lies in the driver's storage. Default: what is in its directory. */
  remains?: () => string[];
  cleanup: () => Promise<void> | void;
}

export interface Factory {
  name: string;
  make: () => Promise<Fixture> | Fixture;
  /** Commits in the test of long chains; a driver that copies is asked for fewer. */
  chain: number;
  /** A volume shows nothing before it is mounted: its plans have no layers. */
  opaque?: boolean;
  /** For a machine that is emulated: fewer rounds of what is done in many. */
  slow?: boolean;
  /** Only the tests with such names. */
  only?: RegExp;
}

const CHILD = join(import.meta.dirname, 'child.ts');

export function driverContract({name, make, chain, opaque = false, slow = false, only = /./}: Factory): void {
  const test: typeof jestTest = Object.assign((...[title, ...rest]: Parameters<typeof jestTest>) => {
    if (only.test(String(title))) jestTest(title, ...rest);
  }, jestTest);

  describe(`the ${name} driver`, () => {
    let driver: StorageDriver;
    let fixture: Fixture;

    beforeEach(async () => {
      fixture = await make();
      driver = fixture.driver;
    });

    afterEach(async () => {
      await fixture.cleanup();
    });

    async function write(id: string, path: string, content: string | Buffer): Promise<void> {
      await driver.withTree(id, (tree) => {
        mkdirSync(join(tree, path, '..'), {recursive: true});
        writeFileSync(join(tree, path), content);
        return Promise.resolve();
      });
    }

    async function read(id: string, path: string): Promise<string | undefined> {
      return driver.withTree(id, (tree) => {
        const there = existsSync(join(tree, path));
        return Promise.resolve(there ? readFileSync(join(tree, path), 'utf8') : undefined);
      });
    }

    async function listing(id: string, options?: Parameters<typeof listTree>[1]): Promise<string[]> {
      return driver.withTree(id, (tree) => Promise.resolve(listTree(tree, options)));
    }

    /** A frozen volume with one file. */
    async function frozen(id: string, parent?: string, content = id): Promise<void> {
      await driver.create(id, parent === undefined ? {} : {parent});
      await write(id, 'file', content);
      await write(id, `of/${id}`, id);
      await driver.freeze(id);
    }

    /** Two frozen volumes, one upon the other, with directories to rename. */
    async function stacked(): Promise<void> {
      for (const [id, parent, change] of [
        ['base', undefined, makeDirectories],
        ['next', 'base', changeDirectories],
      ] as const) {
        await driver.create(id, parent === undefined ? {} : {parent});
        await driver.withTree(id, change);
        await driver.freeze(id);
      }
    }

    async function ids(): Promise<string[]> {
      return (await driver.list()).map(({id}) => id).sort();
    }

    function remains(): string[] {
      return fixture.remains?.() ?? readdirSync(fixture.directory).filter((entry) => !entry.startsWith('.'));
    }

    function child(...args: string[]): ChildProcess {
      const settings = JSON.stringify(fixture.settings ?? {});
      return spawn(process.execPath, [CHILD, driver.name, fixture.directory, settings, ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    }

    test('an empty volume is a root directory with nothing in it, whatever the umask', async () => {
      const umask = process.umask(0o077);
      try {
        await driver.create('empty');
      } finally {
        process.umask(umask);
      }
      expect(await listing('empty', {times: 'none'})).toEqual(['"" 40755 0:0 directory   ']);
      await driver.freeze('empty');
      expect(await listing('empty', {times: 'none'})).toEqual(['"" 40755 0:0 directory   ']);
      await driver.create('branch', {parent: 'empty'});
      await write('branch', 'file', 'here');
      expect(await read('branch', 'file')).toBe('here');
    });

    test('a clone is isolated from its parent and from other clones', async () => {
      await frozen('base');
      await driver.create('a1', {parent: 'base'});
      await driver.create('a2', {parent: 'base', ephemeral: true});
      await write('a1', 'file', 'a1');
      await driver.withTree('a2', (tree) => {
        rmSync(join(tree, 'of'), {recursive: true});
        return Promise.resolve();
      });
      expect([await read('base', 'file'), await read('a1', 'file'), await read('a2', 'file')]).toEqual([
        'base',
        'a1',
        'base',
      ]);
      expect([await read('base', 'of/base'), await read('a2', 'of/base')]).toEqual(['base', undefined]);
    });

    test('an ephemeral volume can be mounted again, frozen and cloned', async () => {
      await frozen('base');
      await driver.create('task', {parent: 'base', ephemeral: true});
      await withMounted(
        await driver.plan('task'),
        doing((tree) => writeFileSync(join(tree, 'first'), '1')),
      );
      await withMounted(
        await driver.plan('task'),
        doing((tree) => writeFileSync(join(tree, 'second'), '2')),
      );
      await driver.freeze('task');
      await driver.create('next', {parent: 'task'});
      expect([await read('next', 'first'), await read('next', 'second')]).toEqual(['1', '2']);
    });

    test('a clone that is thrown away is one like others, and nothing of it is left', async () => {
      const remains = fixture.remains ?? ((): string[] => readdirSync(fixture.directory));
      const thrownAway = {parent: 'base', ephemeral: true, mayBeOverlay: () => true} as const;
      await driver.create('base');
      await driver.withTree('base', makeOddTree);
      await driver.freeze('base');
      const before = await listing('base');
      await driver.create('a1', thrownAway); // Makes what every one needs.
      await driver.discard('a1');
      const left = remains().sort();
      await driver.create('task', thrownAway);
      expect(await listing('task')).toEqual(before);
      expect(await driver.list()).toContainEqual({
        id: 'task',
        state: 'active',
        parent: 'base',
        ephemeral: true,
      });
      await write('task', 'new', 'new');
      await driver.withTree(
        'task',
        doing((tree) => rmSync(join(tree, 'file'), {force: true})),
      );
      const changes = await Array.fromAsync(driver.changes('base', 'task'));
      expect(changes).toContainEqual({path: '/new', kind: 'added'});
      expect(await driver.usage('task')).toBeGreaterThanOrEqual(0);
      expect(await driver.check()).toEqual([]);
      expect(await listing('base')).toEqual(before);
      await driver.discard('task');
      expect(remains().sort()).toEqual(left);
      // It keeps what it needs of its parent, and that goes with it.
      await driver.create('then', thrownAway);
      await write('then', 'new', 'new');
      await driver.remove('base');
      expect((await listing('then')).length).toBeGreaterThanOrEqual(before.length);
      await driver.discard('then');
      expect(await driver.list()).toEqual([]);
      expect(await driver.check()).toEqual([]);
    });

    test('a frozen volume cannot be written, by plan or by tree, and freezing again changes nothing', async () => {
      await frozen('base');
      await frozen('next', 'base');
      for (const id of ['base', 'next']) {
        const before = await listing(id, {times: 'all'});
        const attempt = doing((tree) => writeFileSync(join(tree, 'file'), 'changed'));
        await expect(driver.withTree(id, attempt)).rejects.toThrow(/EROFS/);
        await expect(withMounted(await driver.plan(id), attempt)).rejects.toThrow(/EROFS/);
        await expect(withMounted(await driver.plan(id, {readOnly: false}), attempt)).rejects.toThrow(/EROFS/);
        await driver.freeze(id);
        expect(await listing(id, {times: 'all'})).toEqual(before);
      }
    });

    test('an active volume can be mounted read-only', async () => {
      await frozen('base');
      await driver.create('branch', {parent: 'base'});
      await write('branch', 'own', 'own');
      await withMounted(await driver.plan('branch', {readOnly: true}), (tree) => {
        expect(readFileSync(join(tree, 'own'), 'utf8') + readFileSync(join(tree, 'file'), 'utf8')).toBe(
          'ownbase',
        );
        expect(() => writeFileSync(join(tree, 'own'), 'changed')).toThrow(/EROFS/);
        return Promise.resolve();
      });
    });

    test('the layers of a plan show a path before anything is mounted', async () => {
      await frozen('base');
      await frozen('next', 'base');
      if (opaque) {
        expect((await driver.plan('next')).layers).toEqual([]);
        return;
      }
      const find = async (id: string, path: string): Promise<string | undefined> => {
        const {layers} = await driver.plan(id);
        const place = layers.map((layer) => join(layer, path)).find((candidate) => existsSync(candidate));
        return place === undefined ? undefined : readFileSync(place, 'utf8');
      };
      expect([
        await find('next', 'file'),
        await find('next', 'of/base'),
        await find('base', 'of/next'),
      ]).toEqual(['next', 'base', undefined]);
    });

    test('a snapshot keeps the state of a live, mounted volume, which goes on', async () => {
      await frozen('base');
      await driver.create('vm', {parent: 'base'});
      await withMounted(await driver.plan('vm'), async (tree) => {
        writeFileSync(join(tree, 'file'), 'then');
        rmSync(join(tree, 'of'), {recursive: true});
        await driver.snapshot('vm', 'kept');
        writeFileSync(join(tree, 'file'), 'now');
      });
      expect([await read('kept', 'file'), await read('vm', 'file')]).toEqual(['then', 'now']);
      expect([await read('kept', 'of/base'), await read('base', 'of/base')]).toEqual([undefined, 'base']);
      await expect(
        driver.withTree(
          'kept',
          doing((tree) => writeFileSync(join(tree, 'x'), '')),
        ),
      ).rejects.toThrow(/EROFS/);
      await expect(driver.snapshot('vm', 'kept')).rejects.toMatchObject({code: 'CONFLICT'});
      await driver.remove('vm');
      expect(await driver.list()).toContainEqual({
        id: 'kept',
        state: 'frozen',
        parent: 'base',
        ephemeral: false,
      });
      expect(await read('kept', 'file')).toBe('then');
    });

    test('a snapshot can be amended before it is frozen, and the live volume stays as it is', async () => {
      await frozen('base');
      await driver.create('vm', {parent: 'base'});
      await write('vm', 'file', 'of the session');
      await withMounted(await driver.plan('vm'), async (tree) => {
        await driver.snapshot('vm', 'kept', {
          amend: doing((copy) => {
            rmSync(join(copy, 'file'));
            writeFileSync(join(copy, 'more'), 'amended');
          }),
        });
        expect(readFileSync(join(tree, 'file'), 'utf8')).toBe('of the session');
      });
      expect([await read('kept', 'more'), await read('vm', 'more')]).toEqual(['amended', undefined]);
      expect([await read('kept', 'of/base'), await read('vm', 'file')]).toEqual(['base', 'of the session']);
    });

    test('contents are kept exactly, through freezing, cloning, changing and snapshots', async () => {
      await driver.create('strange');
      await driver.withTree('strange', async (tree) => makeOddTree(tree));
      const before = await listing('strange');
      await driver.freeze('strange');
      expect(await listing('strange')).toEqual(before);
      await driver.create('branch', {parent: 'strange'});
      expect(await listing('branch')).toEqual(before);
      await driver.freeze('branch');
      await driver.create('next2', {parent: 'branch'});
      await write('next2', 'more', '');
      await driver.snapshot('next2', 'kept');
      await driver.freeze('next2');
      const more = (line: string): boolean => !line.startsWith('"/more"');
      expect((await listing('next2')).filter(more)).toEqual(before);
      expect((await listing('kept')).filter(more)).toEqual(before);
    });

    test('what is odd can be written to a clone as well', async () => {
      await frozen('base');
      await driver.create('branch', {parent: 'base'});
      await driver.withTree('branch', async (tree) => makeOddTree(tree));
      const before = await listing('branch');
      await driver.freeze('branch');
      expect(await listing('branch')).toEqual(before);
      await driver.create('next', {parent: 'branch'});
      await driver.snapshot('next', 'kept');
      expect(await listing('kept')).toEqual(before);
    });

    test('a directory that came from the parent can be renamed, and what is frozen shows the same', async () => {
      await stacked();
      await driver.create('branch', {parent: 'next'});
      await driver.withTree('branch', renameDirectories);
      const before = await listing('branch');
      // Of one that has no parent it is nothing special.
      await driver.create('apart');
      for (const change of [makeDirectories, changeDirectories, renameDirectories])
        await driver.withTree('apart', change);
      const plain = {times: 'none'} as const;
      expect((await listing('branch', plain)).slice(1)).toEqual((await listing('apart', plain)).slice(1));
      const changes = await Array.fromAsync(driver.changes('next', 'branch'));
      await withMounted(await driver.plan('branch'), async () => driver.snapshot('branch', 'kept'));
      await driver.freeze('branch');
      await driver.create('then', {parent: 'branch'});
      for (const id of ['kept', 'branch', 'then']) {
        expect(await listing(id)).toEqual(before);
        expect(await Array.fromAsync(driver.changes('next', id))).toEqual(changes);
      }
      expect(await driver.check()).toEqual([]);
      // What is frozen depends on no volume that its heirs do not.
      for (const id of ['next', 'base', 'branch']) await driver.remove(id);
      for (const id of ['kept', 'then']) expect(await listing(id)).toEqual(before);
    });

    test('a renamed directory stays renamed, is renamed again, and is read-only where it is to be', async () => {
      await stacked();
      await driver.create('vm', {parent: 'next'});
      const at = (path: string): Promise<string | undefined> => read('vm', path);
      const content = 'top/a/b/file';
      const renaming = (from: string, to: string): Promise<void> =>
        driver.withTree(
          'vm',
          doing((tree) => renameSync(join(tree, from), join(tree, to))),
        );
      await renaming('top', 'first');
      expect([await at('first/a/b/file'), await at('top/a/b/file')]).toEqual([content, undefined]);
      await renaming('first/a', 'first/second');
      await driver.snapshot('vm', 'start');
      await renaming('first', 'top');
      expect([await at('top/second/b/file'), await at('first/second/b/file')]).toEqual([content, undefined]);
      await withMounted(await driver.plan('vm', {readOnly: true}), (tree) => {
        expect(readFileSync(join(tree, 'top/second/b/file'), 'utf8')).toBe(content);
        expect(() => renameSync(join(tree, 'top'), join(tree, 'x'))).toThrow(/EROFS/);
        return Promise.resolve();
      });
      await renaming('top/second', 'top/a');
      expect(await Array.fromAsync(driver.changes('next', 'vm'))).toEqual([]);
      await driver.freeze('vm');
      expect(await Array.fromAsync(driver.changes('next', 'vm'))).toEqual([]);
      expect([await at('top/a/b/file'), await read('start', 'first/second/b/file')]).toEqual([
        content,
        content,
      ]);
    });

    test('the attributes of the root directory go from version to version', async () => {
      await driver.create('base');
      await driver.withTree(
        'base',
        doing((tree) => {
          chownSync(tree, 12, 34);
          chmodSync(tree, 0o3751);
          setAttributes(tree);
          utimesSync(tree, 1e9, 1e9);
        }),
      );
      const before = await listing('base', {times: 'all'});
      expect(before[0]).toContain('43751 12:34');
      expect(before[0]).toContain('user.root');
      await driver.freeze('base');
      await driver.create('next', {parent: 'base'});
      expect(await listing('next', {times: 'all'})).toEqual(before);
      await driver.freeze('next');
      await driver.create('then', {parent: 'next', ephemeral: true});
      expect(await listing('then', {times: 'all'})).toEqual(before);
    });

    test(`${chain} commits in a row give what the same changes give in a plain directory`, async () => {
      const model = mkdtempSync(join(tmpdir(), 'chain-'));
      try {
        for (let step = 0; step < chain; step++) {
          const id = `v${step}`;
          await driver.create(id, step === 0 ? {} : {parent: `v${step - 1}`});
          await driver.withTree(id, (tree) => {
            commitStep(tree, step);
            return Promise.resolve();
          });
          await driver.freeze(id);
          commitStep(model, step);
        }
        const root = (line: string): boolean => !line.startsWith('"" ');
        const plain = {times: 'none'} as const;
        expect((await listing(`v${chain - 1}`, plain)).filter(root)).toEqual(
          listTree(model, plain).filter(root),
        );
        // Versions in between live on without those before and after them.
        const middle = Math.floor(chain / 2);
        const before = await listing(`v${middle}`);
        for (const id of await ids()) if (id !== `v${middle}`) await driver.remove(id);
        expect(await listing(`v${middle}`)).toEqual(before);
        expect(await driver.check()).toEqual([]);
      } finally {
        rmSync(model, {recursive: true});
      }
    }, 300_000);

    test('volumes can be removed in any order, and heirs keep working', async () => {
      const all = permutations(['a', 'b', 'c', 'd']);
      // Spread over them, so that few are of different kinds.
      const tried = slow ? all.filter((_, index) => index % 12 === 11) : all;
      for (const [round, order] of tried.entries()) {
        const id = (letter: string): string => `${letter}${round}`;
        await frozen(id('a'));
        await frozen(id('b'), id('a'));
        await frozen(id('c'), id('b'));
        await driver.create(id('d'), {parent: id('b'), ephemeral: true});
        const gone: string[] = [];
        for (const letter of order) {
          await driver.remove(id(letter));
          gone.push(letter);
          const left = ['a', 'b', 'c', 'd'].filter((other) => !gone.includes(other));
          expect(await ids()).toEqual(left.map(id));
          const contents = await Promise.all(left.map(async (other) => read(id(other), 'file')));
          expect(contents).toEqual(left.map((other) => (other === 'd' ? id('b') : id(other))));
        }
      }
      expect(await driver.check()).toEqual([]);
      expect(remains()).toEqual([]);
    });

    test('many can be removed at once, of whatever kind, and heirs keep working', async () => {
      const chainIds = ['a', 'b', 'c', 'd', 'e'];
      for (const [index, id] of chainIds.entries()) await frozen(id, chainIds[index - 1]);
      await frozen('heyr', 'b');
      await driver.create('task', {parent: 'd', ephemeral: true});
      await driver.create('wrk', {parent: 'd'});
      await driver.remove(['b', 'task', 'a', 'never', 'wrk', 'd']);
      expect(await ids()).toEqual(['c', 'e', 'heyr']);
      for (const id of ['c', 'e', 'heyr']) expect(await read(id, 'file')).toBe(id);
      await driver.remove(['e', 'c', 'heyr']);
      expect(await driver.check()).toEqual([]);
      expect(remains()).toEqual([]);
    });

    test('removal can be repeated, and asked for what never was', async () => {
      await frozen('base');
      await driver.remove('base');
      await driver.remove('base');
      await driver.remove('never');
      expect(await driver.list()).toEqual([]);
      await expect(driver.remove('../etc')).rejects.toMatchObject({code: 'BAD_INPUT'});
      await expect(driver.remove('')).rejects.toMatchObject({code: 'BAD_INPUT'});
    });

    test('a removal killed anywhere leaves all or nothing in sight, and is finished by the next', async () => {
      await frozen('base');
      for (const [round, delay] of (slow ? [0, 200, 400] : [0, 1, 3, 6, 10, 20, 40]).entries()) {
        const id = `deep${round}`;
        await driver.create(id, {parent: 'base', ephemeral: round % 2 === 0});
        await driver.withTree(
          id,
          doing((tree) => fill(tree, 1500)),
        );
        const kept = `kept${round}`;
        if (round % 3 === 0) {
          await driver.freeze(id);
          await driver.create(kept, {parent: id});
        }
        const remover = child('remove', id);
        const closed = once(remover, 'close');
        await once(remover.stdout as NodeJS.ReadableStream, 'data');
        await sleep(delay);
        remover.kill('SIGKILL');
        await closed;
        if ((await ids()).includes(id)) expect((await listing(id)).length).toBeGreaterThan(1500);
        await driver.remove(id);
        expect(await ids()).not.toContain(id);
        if (round % 3 === 0) {
          expect((await listing(kept)).length).toBeGreaterThan(1500);
          await driver.remove(kept);
        }
      }
      expect(await ids()).toEqual(['base']);
      expect(await driver.check({fix: true})).toEqual([]);
      expect(remains()).toEqual(['base']);
    }, 300_000);

    test('what is asked of a volume that is not there, or not so, is refused by name', async () => {
      await expect(driver.create('a', {parent: 'absent'})).rejects.toMatchObject({code: 'NOT_FOUND'});
      await expect(driver.plan('absent')).rejects.toMatchObject({code: 'NOT_FOUND'});
      await expect(driver.freeze('absent')).rejects.toMatchObject({code: 'NOT_FOUND'});
      await expect(driver.snapshot('absent', 'a')).rejects.toMatchObject({code: 'NOT_FOUND'});
      await expect(driver.usage('absent')).rejects.toMatchObject({code: 'NOT_FOUND'});
      await expect(driver.withTree('absent', () => Promise.resolve())).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
      expect(await driver.list()).toEqual([]);
      await driver.create('a');
      await expect(driver.create('a')).rejects.toMatchObject({code: 'CONFLICT'});
      await expect(driver.create('b', {parent: 'a'})).rejects.toMatchObject({code: 'BUSY'});
      await driver.freeze('a');
      await driver.create('c', {parent: 'a'});
      await driver.remove('a');
      await expect(driver.create('d', {parent: 'a'})).rejects.toMatchObject({code: 'NOT_FOUND'});
    });

    test('several processes clone one parent at the same time', async () => {
      await frozen('base');
      const processes = slow ? [0, 1, 2] : [0, 1, 2, 3];
      const length = slow ? 3 : 8;
      const clones = (process: number): string[] => Array.from({length}, (_, n) => `p${process}n${n}`);
      const children = processes.map((process) => child('create', 'base', ...clones(process)));
      const codes = await Promise.all(children.map(async (one) => (await once(one, 'close'))[0] as number));
      expect(codes).toEqual(processes.map(() => 0));
      expect(await ids()).toEqual(['base', ...processes.flatMap(clones)].sort());
      for (const id of processes.flatMap(clones)) expect(await read(id, 'file')).toBe('base');
    });

    test('of several processes that make the same volume one succeeds', async () => {
      await frozen('base');
      const children = [0, 1, 2].map(() => child('create', 'base', 'same'));
      const codes = await Promise.all(children.map(async (one) => (await once(one, 'close'))[0] as number));
      expect(codes.sort()).toEqual([0, 1, 1]);
      expect(await read('same', 'file')).toBe('base');
    });

    test('a mounted volume is busy, also in another mount namespace, and its holder is named', async () => {
      await frozen('base');
      await driver.create('bare');
      await driver.create('branch', {parent: 'base'});
      for (const id of ['bare', 'branch']) {
        await withMounted(await driver.plan(id), async (tree) => {
          const holder = /^\/proc\/(\d+)\//.exec(tree)?.[1] ?? 'none';
          const busy = {
            code: 'BUSY',
            message: expect.stringMatching(new RegExp(`process ${holder} \\(sh `)) as unknown,
          };
          await expect(driver.remove(id)).rejects.toMatchObject(busy);
          await expect(driver.freeze(id)).rejects.toMatchObject(busy);
          writeFileSync(join(tree, 'still'), 'there');
        });
        expect(await read(id, 'still')).toBe('there');
        await driver.remove(id);
      }
      expect(await ids()).toEqual(['base']);
    });

    test('usage counts what a volume holds beyond its parent', async () => {
      await driver.create('base');
      // Random, since a file system may compress.
      await write('base', 'blob', randomBytes(3_000_000));
      await driver.freeze('base');
      expect(await driver.usage('base')).toBeGreaterThanOrEqual(3_000_000);
      await driver.create('branch', {parent: 'base'});
      const before = await driver.usage('branch');
      await write('branch', 'more', randomBytes(1_000_000));
      const grown = (await driver.usage('branch')) - before;
      expect(grown).toBeGreaterThanOrEqual(1_000_000);
      expect(grown).toBeLessThan(1_200_000);
    });

    test('changes names what was added, changed and deleted, and nothing else', async () => {
      await driver.create('base');
      await driver.withTree('base', async (tree) => makeOddTree(tree));
      await driver.withTree('base', (tree) => {
        for (const name of [
          'same',
          'touched',
          'rewritten',
          'chmod',
          'gone',
          'becomes-dir',
          'restored',
          'xattr',
        ]) {
          writeFileSync(join(tree, name), 'content');
        }
        for (const path of [
          'kept/a',
          'dropped/a/b',
          'emptied/a',
          'becomes-file/a',
          'replaced/old',
          'replaced/both',
        ]) {
          mkdirSync(join(tree, path, '..'), {recursive: true});
          writeFileSync(join(tree, path), path);
        }
        symlinkSync('here', join(tree, 'link'));
        return Promise.resolve();
      });
      await driver.freeze('base');
      // Old enough for its files to be known as untouched.
      await new Promise((resolve) => setTimeout(resolve, 200));
      await driver.create('next', {parent: 'base'});
      await driver.withTree(
        'next',
        doing((tree) => {
          utimesSync(join(tree, 'touched'), 1, 1);
          const {atime, mtime} = statSync(join(tree, 'rewritten'));
          writeFileSync(join(tree, 'rewritten'), 'CONTENT');
          utimesSync(join(tree, 'rewritten'), atime, mtime);
          chmodSync(join(tree, 'chmod'), 0o600);
          rmSync(join(tree, 'gone'));
          rmSync(join(tree, 'becomes-dir'));
          mkdirSync(join(tree, 'becomes-dir'));
          writeFileSync(join(tree, 'becomes-dir/inner'), '');
          rmSync(join(tree, 'restored'));
          writeFileSync(join(tree, 'restored'), 'content');
          setAttributes(join(tree, 'xattr'));
          writeFileSync(join(tree, 'kept/b'), '');
          rmSync(join(tree, 'dropped'), {recursive: true});
          rmSync(join(tree, 'emptied/a'));
          rmSync(join(tree, 'becomes-file'), {recursive: true});
          writeFileSync(join(tree, 'becomes-file'), '');
          rmSync(join(tree, 'replaced'), {recursive: true});
          mkdirSync(join(tree, 'replaced'));
          writeFileSync(join(tree, 'replaced/both'), 'replaced/both');
          rmSync(join(tree, 'link'));
          symlinkSync('there', join(tree, 'link'));
          appendFileSync(join(tree, 'two\nlines'), 'more');
        }),
      );
      const expected = [
        ['/becomes-dir', 'changed'],
        ['/becomes-dir/inner', 'added'],
        ['/becomes-file', 'changed'],
        ['/becomes-file/a', 'deleted'],
        ['/chmod', 'changed'],
        ['/dropped', 'deleted'],
        ['/dropped/a', 'deleted'],
        ['/dropped/a/b', 'deleted'],
        ['/emptied/a', 'deleted'],
        ['/gone', 'deleted'],
        ['/kept/b', 'added'],
        ['/link', 'changed'],
        ['/replaced/old', 'deleted'],
        ['/rewritten', 'changed'],
        ['/two\nlines', 'changed'],
        ['/xattr', 'changed'],
      ].map(([path, kind]) => ({path, kind}));
      expect(await Array.fromAsync(driver.changes('base', 'next'))).toEqual(expected);
      expect(await Array.fromAsync(driver.changes('base', 'next', {quick: true}))).toEqual(expected);
      await driver.snapshot('next', 'same');
      expect(await Array.fromAsync(driver.changes('same', 'next', {quick: true}))).toEqual([]);
      const swapped: Record<string, string> = {added: 'deleted', deleted: 'added', changed: 'changed'};
      const reversed = expected.map(({path, kind}) => ({path, kind: swapped[kind ?? '']}));
      expect(await Array.fromAsync(driver.changes('next', 'base'))).toEqual(reversed);
      await driver.freeze('next');
      expect(await Array.fromAsync(driver.changes('base', 'next'))).toEqual(expected);
      expect(await Array.fromAsync(driver.changes('next', 'next'))).toEqual([]);
      // What was changed before a clone of it was made is none the less changed.
      await new Promise((resolve) => setTimeout(resolve, 200));
      await driver.create('next2', {parent: 'next'});
      expect(await Array.fromAsync(driver.changes('base', 'next2', {quick: true}))).toEqual(expected);
      expect(await Array.fromAsync(driver.changes('next', 'next2', {quick: true}))).toEqual([]);
    });

    test('a quick look finds what was changed below directories that were not', async () => {
      await driver.create('base');
      await driver.withTree('base', (tree) => {
        mkdirSync(join(tree, 'old/changed/older'), {recursive: true});
        for (const file of ['old/changed/gone', 'old/changed/older/rewritten', 'old/grown', 'old/same'])
          writeFileSync(join(tree, file), file);
        return Promise.resolve();
      });
      await driver.freeze('base');
      // Longer than the clocks may be apart.
      await new Promise((resolve) => setTimeout(resolve, 200));
      await driver.create('next', {parent: 'base'});
      expect(await Array.fromAsync(driver.changes('base', 'next', {quick: true}))).toEqual([]);
      await driver.withTree('next', (tree) => {
        rmSync(join(tree, 'old/changed/gone'));
        writeFileSync(join(tree, 'old/changed/added'), '');
        writeFileSync(join(tree, 'old/changed/older/rewritten'), 'else');
        appendFileSync(join(tree, 'old/grown'), 'more');
        return Promise.resolve();
      });
      const expected = [
        {path: '/old/changed/added', kind: 'added'},
        {path: '/old/changed/gone', kind: 'deleted'},
        {path: '/old/changed/older/rewritten', kind: 'changed'},
        {path: '/old/grown', kind: 'changed'},
      ];
      expect(await Array.fromAsync(driver.changes('base', 'next'))).toEqual(expected);
      expect(await Array.fromAsync(driver.changes('base', 'next', {quick: true}))).toEqual(expected);
    });

    test('changes are looked for until there are enough', async () => {
      await driver.create('base');
      const fill = (tree: string, text: string): Promise<void> => {
        for (let at = 0; at < 20; at++) {
          mkdirSync(join(tree, `d${at}`), {recursive: true});
          writeFileSync(join(tree, `d${at}`, 'file'), text);
        }
        return Promise.resolve();
      };
      await driver.withTree('base', (tree) => fill(tree, 'base'));
      await driver.freeze('base');
      await driver.create('next', {parent: 'base'});
      await driver.withTree('next', (tree) => fill(tree, 'next'));
      const all = await Array.fromAsync(driver.changes('base', 'next'));
      expect(all).toHaveLength(20);
      const asked: number[] = [];
      const enough = (found: number): boolean => {
        asked.push(found);
        return found >= 5;
      };
      const some = await Array.fromAsync(driver.changes('base', 'next', {enough}));
      expect(some).toHaveLength(5);
      expect(all).toEqual(expect.arrayContaining(some));
      // Once it was so, it is not asked again, nor is any path looked at.
      expect(asked.filter((found) => found >= 5)).toEqual([5]);
      expect(await Array.fromAsync(driver.changes('base', 'next', {enough: () => true}))).toEqual([]);
      expect(await Array.fromAsync(driver.changes('base', 'next', {enough: () => false}))).toEqual(all);
    });

    test('changes of a mounted session can be told, and of volumes that share nothing', async () => {
      await frozen('base');
      await frozen('apart');
      await driver.create('vm', {parent: 'base'});
      await withMounted(await driver.plan('vm'), async (tree) => {
        writeFileSync(join(tree, 'new'), '');
        expect(await Array.fromAsync(driver.changes('base', 'vm'))).toEqual([{path: '/new', kind: 'added'}]);
      });
      expect(await Array.fromAsync(driver.changes('base', 'apart'))).toEqual([
        {path: '/file', kind: 'changed'},
        {path: '/of/apart', kind: 'added'},
        {path: '/of/base', kind: 'deleted'},
      ]);
    });

    test('check finds nothing wrong with volumes in all states', async () => {
      await frozen('base');
      await frozen('next', 'base');
      await driver.create('rw', {parent: 'next'});
      await write('rw', 'file', '');
      await driver.remove('base');
      expect(await driver.check()).toEqual([]);
      expect(await driver.check({fix: true})).toEqual([]);
      expect(await ids()).toEqual(['next', 'rw']);
      expect(await read('next', 'of/base')).toBe('base');
    });
  });
}

/** Changes of one commit: new files, a deletion, a directory replaced by a file and back, a rename. */
function commitStep(tree: string, step: number): void {
  mkdirSync(join(tree, `d${step % 7}`), {recursive: true});
  writeFileSync(join(tree, `d${step % 7}`, `f${step}`), `step ${step}`);
  writeFileSync(join(tree, 'last'), String(step));
  rmSync(join(tree, `d${(step + 3) % 7}`, `f${step - 11}`), {force: true});
  const flip = join(tree, 'flip');
  rmSync(flip, {recursive: true, force: true});
  if (step % 5 < 3) {
    mkdirSync(flip);
    writeFileSync(join(flip, `only${step}`), '');
  } else writeFileSync(flip, 'a file now');
  if (step % 9 === 0) rmSync(join(tree, `d${(step + 1) % 7}`), {recursive: true, force: true});
  writeFileSync(join(tree, `moving${step}`), String(step));
  renameSync(join(tree, `moving${step}`), join(tree, `moved${step % 4}`));
}

async function makeDirectories(tree: string): Promise<void> {
  for (const path of [
    'top/a/b',
    'top/hidden',
    'top/odd',
    'covered',
    'replaced',
    'swapped/one',
    'other',
    'plain',
  ])
    mkdirSync(join(tree, path), {recursive: true});
  for (const path of [
    'top/a/b/file',
    'top/a/removed',
    'covered/one',
    'replaced/old',
    'other/two',
    'plain/leaves',
  ])
    writeFileSync(join(tree, path), path);
  await makeOddTree(join(tree, 'top/odd'));
}

const changeDirectories = doing((tree) => {
  writeFileSync(join(tree, 'top/a/later'), '');
  rmSync(join(tree, 'top/a/removed'));
  rmSync(join(tree, 'top/hidden'), {recursive: true});
  for (const path of ['replaced', 'top/odd/special']) {
    rmSync(join(tree, path), {recursive: true});
    mkdirSync(join(tree, path));
  }
  writeFileSync(join(tree, 'replaced/here'), '');
  setAttributes(join(tree, 'top/a'));
  execFileSync('touch', ['-d', '2001-02-03 04:05:06.123456789', join(tree, 'top/a/b')]);
});

/** Into others and back, twice, over one that is emptied, as dpkg makes a file of one, and one of a file. */
const renameDirectories = doing((tree) => {
  const rename = (from: string, to: string): void => renameSync(join(tree, from), join(tree, to));
  rename('top', 'moved');
  rename('moved/odd', 'moved/deeper');
  mkdirSync(join(tree, 'moved/again'));
  rename('moved/deeper', 'moved/again/deeper');
  mkdirSync(join(tree, 'moved/again/deeper/odd'));
  rename('moved/again/deeper/links', 'moved/again/deeper/odd/links');
  rename('moved/a/later', 'out-of-it');
  writeFileSync(join(tree, 'moved/a/later'), 'another');
  chmodSync(join(tree, 'moved/again'), 0o2710);
  rmSync(join(tree, 'covered/one'));
  rename('replaced', 'covered');
  rename('covered', 'gone');
  writeFileSync(join(tree, 'other.dpkg-new'), 'a file');
  rename('other', 'other.dpkg-tmp');
  rename('other.dpkg-new', 'other');
  rmSync(join(tree, 'other.dpkg-tmp'), {recursive: true});
  rename('swapped', 'swap');
  mkdirSync(join(tree, 'swapped'));
  rename('swap/one', 'swapped/one');
  rename('plain/leaves', 'became');
  rmSync(join(tree, 'became'));
  rename('plain', 'became');
  mkdirSync(join(tree, 'became/inner'));
});

function fill(tree: string, files: number): void {
  for (let n = 0; n < files; n++) {
    if (n % 50 === 0) mkdirSync(join(tree, `d${n}`));
    writeFileSync(join(tree, `d${n - (n % 50)}`, `f${n}`), '');
  }
}

function permutations(items: string[]): string[][] {
  if (items.length < 2) return [items];
  return items.flatMap((item) =>
    permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  );
}

function setAttributes(path: string): void {
  execFileSync('setfattr', ['-n', 'user.root', '-v', 'set', path]);
  execFileSync('setfacl', ['-m', 'u:33:rx', path]);
}
