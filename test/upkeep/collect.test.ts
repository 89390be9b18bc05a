import {describe, expect, test} from '@jest/globals';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import {randomId, versionId} from '../../src/ids.ts';
import {importImage} from '../../src/images/import.ts';
import {listVersions} from '../../src/images/list.ts';
import {parseReference} from '../../src/reference.ts';
import {begin} from '../../src/session/begin.ts';
import {commitSession, endSession} from '../../src/session/commit.ts';
import {removeSession} from '../../src/session/remove.ts';
import {readyRoot, unmountRoot} from '../../src/session/root.ts';
import {pin, pinNothing} from '../../src/session/pin.ts';
import {appendHistory} from '../../src/store/history.ts';
import {Store} from '../../src/store/store.ts';
import {self, startOf} from '../../src/system/identity.ts';
import {collect} from '../../src/upkeep/collect.ts';
import {survey} from '../../src/upkeep/survey.ts';
import {diagnose} from '../../src/upkeep/doctor.ts';
import {temporaryDirectory} from '../temporary.ts';

async function storeWithImage(): Promise<Store> {
  const directory = temporaryDirectory();
  const root = join(directory, 'root');
  mkdirSync(join(root, 'etc'), {recursive: true});
  writeFileSync(join(root, 'etc/hostname'), 'here\n');
  const store = await Store.open({root: join(directory, 'store'), driver: 'directory'});
  await importImage(store, root, {target: 'base'});
  return store;
}

/** A session of a process that is gone. */
function deadSession(store: Store): ReturnType<typeof pinNothing> {
  const fields = {kind: 'run', ephemeral: true, command: [], labels: {}, options: {}} as const;
  const record = {
    ...pinNothing(store, 'base', {...fields, command: [], labels: {}}),
    owner: {...self(), started: '1'},
  };
  store.sessions.replace(record);
  return record;
}

/** The record of a volume that needs the layer of another. */
function heirOf(volume: string): string {
  const layers = ['he1r/fs', `${volume}/fs`];
  return `${JSON.stringify({chrootctl: 1, id: 'he1r', driver: 'directory', state: 'active', parent: volume, ephemeral: false, layers})}\n`;
}

async function storeWithManyVersions(count: number): Promise<Store> {
  const store = await storeWithImage();
  const image = store.image('base');
  const [first] = image.versions();
  for (let number = 1; number < count; number++) {
    const volume = randomId();
    await store.driver.create(volume, {parent: first!.volume});
    await store.driver.freeze(volume);
    await image.change(async (change) => {
      const id = versionId(image.versionIds().at(-1));
      change.addVersion({...first!, id, parent: first!.id, volume});
      await change.moveTags({[`v${number}`]: id}, {action: 'commit', by: 'root', message: ''});
    });
  }
  return store;
}

/** As removals leave them that were interrupted at once. */
function hideAll(store: Store): void {
  const directory = join(store.layout.image('base'), 'versions');
  for (const name of readdirSync(directory))
    renameSync(join(directory, name), join(directory, `${name}.removing`));
}

async function addOrphan(store: Store, id: string): Promise<void> {
  await store.driver.create(id, {ephemeral: true});
}

/** What volumes the driver is told to remove from now on, call by call. */
function removalsOf({driver}: Store): (readonly string[])[] {
  const calls: (readonly string[])[] = [];
  const remove = driver.remove.bind(driver);
  driver.remove = (ids) => {
    calls.push([ids].flat());
    return remove(ids);
  };
  return calls;
}

async function kinds(store: Store): Promise<string[]> {
  return (await survey(store)).leftovers.map(({kind}) => kind);
}

function volumesOf(store: Store): string[] {
  return readdirSync(store.layout.volumes).filter((name) => !name.startsWith('.'));
}

describe('collecting', () => {
  test('a healthy store has nothing to collect', async () => {
    expect(await kinds(await storeWithImage())).toEqual([]);
  });

  test('a dead session goes with its volume, a live one stays', async () => {
    const store = await storeWithImage();
    const dead = deadSession(store);
    await store.driver.create(dead.volume);
    const live = pinNothing(store, 'base', {
      kind: 'import',
      ephemeral: true,
      command: [],
      labels: {},
      options: {},
    });
    await store.driver.create(live.volume);
    expect(await kinds(store)).toEqual(['dead-session']);
    const {collected, failed} = await collect(store);
    expect([collected.length, failed]).toEqual([1, []]);
    expect(volumesOf(store)).toContain(live.volume);
    expect(volumesOf(store)).not.toContain(dead.volume);
    expect(store.sessions.list().map(({id}) => id)).toEqual([live.id]);
  });

  test('a commit that died between its record and the tag never happened', async () => {
    const store = await storeWithImage();
    const [first] = listVersions(store);
    const dead = deadSession(store);
    await store.driver.create(dead.volume);
    await store.driver.freeze(dead.volume);
    const image = store.image('base');
    const known = image.version(first?.version ?? '');
    await image.change(async (change) => {
      change.addVersion({...known!, id: 'zzzzzzzzzzzzzzzz', volume: dead.volume});
      return Promise.resolve();
    });
    expect(await kinds(store)).toEqual(['unfinished-commit', 'dead-session']);
    await collect(store);
    expect(listVersions(store)).toEqual([first]);
    expect(volumesOf(store)).toEqual([known!.volume]);
  });

  test('while such a commit cannot be taken back, its session stays with the volume', async () => {
    const store = await storeWithImage();
    const image = store.image('base');
    const known = image.versions()[0]!;
    const dead = deadSession(store);
    await store.driver.create(dead.volume);
    await store.driver.freeze(dead.volume);
    const next = {...known, id: versionId(known.id), volume: dead.volume};
    await image.change((change) => {
      change.addVersion(next);
      const {entries} = change.prepareMoves({latest: next.id}, {action: 'commit', by: 'test', message: ''});
      appendHistory(image.historyFile, image.refs().seq, entries);
      return Promise.resolve();
    });
    const {sessions} = store;
    const pins = sessions.pins.bind(sessions);
    sessions.pins = () => {
      throw new Error('the disk fails');
    };
    const {collected, failed} = await collect(store);
    expect(collected).toEqual([]);
    expect(failed.map(({leftover}) => leftover.kind)).toEqual(['unfinished-commit', 'dead-session']);
    expect(volumesOf(store).sort()).toEqual([known.volume, dead.volume].sort());
    sessions.pins = pins;
    expect((await diagnose(store, {fix: true})).problems).toEqual([]);
    expect([image.versionIds(), image.refs().tags]).toEqual([[known.id], {latest: known.id}]);
    expect(volumesOf(store)).toEqual([known.volume]);
  });

  test('a session stays while it cannot be read whether its commit happened', async () => {
    const store = await storeWithImage();
    const image = store.image('base');
    const known = image.versions()[0]!;
    const dead = deadSession(store);
    await store.driver.create(dead.volume);
    await store.driver.freeze(dead.volume);
    await image.change((change) => {
      change.addVersion({...known, id: versionId(known.id), volume: dead.volume});
      return Promise.resolve();
    });
    const text = readFileSync(image.historyFile, 'utf8');
    writeFileSync(image.historyFile, '');
    expect(await kinds(store)).toEqual([]);
    writeFileSync(image.historyFile, text);
    expect(await kinds(store)).toEqual(['unfinished-commit', 'dead-session']);
  });

  test.each([
    ['collected', collect],
    ['removed by hand', (store: Store) => removeSession(store, store.sessions.list()[0]?.id ?? '')],
  ])(
    'a commit that died after the tag had moved did happen: its session is %s, its volume stays',
    async (_, end) => {
      const store = await storeWithImage();
      const [first] = listVersions(store);
      const dead = deadSession(store);
      await store.driver.create(dead.volume);
      await store.driver.freeze(dead.volume);
      const image = store.image('base');
      await image.change(async (change) => {
        change.addVersion({
          ...image.version(first?.version ?? '')!,
          id: 'zzzzzzzzzzzzzzzz',
          volume: dead.volume,
        });
        await change.moveTags({latest: 'zzzzzzzzzzzzzzzz'}, {action: 'commit', by: 'test', message: ''});
      });
      expect(await kinds(store)).toEqual(['dead-session']);
      await end(store);
      expect(listVersions(store)).toHaveLength(2);
      expect(volumesOf(store)).toContain(dead.volume);
      expect((await diagnose(store)).ok).toBe(true);
    },
  );

  test('a run that commits and ends while it is looked at keeps its version', async () => {
    const store = await storeWithImage();
    const owner = spawn('sleep', ['1000']);
    const {pid = 0} = owner;
    const record = deadSession(store);
    store.sessions.replace({...record, owner: {...record.owner, pid, started: startOf(pid) ?? ''}});
    await store.driver.create(record.volume);
    await store.driver.freeze(record.volume);
    const image = store.image('base');
    const [known] = image.versions();
    const end = async (): Promise<Map<string, number>> => {
      if (known === undefined || !owner.kill()) throw new Error('has ended before');
      await once(owner, 'close');
      const next = {...known, id: versionId(known.id), volume: record.volume};
      await image.change(async (change) => {
        change.addVersion(next);
        await change.moveTags({latest: next.id}, {action: 'commit', by: 'test', message: ''});
      });
      store.sessions.drop(record.id);
      return new Map();
    };
    // A ledger takes its time, here as long as the run.
    Object.assign(store.driver, {ledger: {heads: end}});
    for (const leftover of (await survey(store)).leftovers) await leftover.collect();
    expect(owner.killed).toBe(true);
    expect(volumesOf(store)).toContain(record.volume);
  });

  test('a run that is kept and ends while it is looked at stays', async () => {
    const store = await storeWithImage();
    const record = deadSession(store);
    await store.driver.create(record.volume);
    const {sessions} = store;
    const all = sessions.all.bind(sessions);
    sessions.all = () => {
      const read = all();
      sessions.replace({...record, kind: 'session', ephemeral: false});
      return read;
    };
    expect(await kinds(store)).toEqual([]);
  });

  test('a volume that nobody names goes, but not while a record cannot be read', async () => {
    const store = await storeWithImage();
    await store.driver.create('0rphan', {ephemeral: true});
    const file = store.layout.session('edited');
    writeFileSync(file, '{}\n');
    expect(await kinds(store)).toEqual([]);
    expect((await diagnose(store, {fix: true})).problems.map(({kind}) => kind).sort()).toEqual([
      'damaged-record',
      'undecided-volume',
    ]);
    rmSync(file);
    const [version] = listVersions(store);
    expect(await kinds(store)).toEqual(['orphan-volume']);
    await collect(store);
    expect(volumesOf(store)).toEqual([store.image('base').version(version?.version ?? '')?.volume]);
  });

  test('a version that is out of sight for a removal keeps its volume until that has ended', async () => {
    const store = await storeWithImage();
    const image = store.image('base');
    const [id = ''] = image.versionIds();
    const directory = join(store.layout.image('base'), 'versions');
    renameSync(join(directory, `${id}.json`), join(directory, `${id}.json.removing`));
    expect(await kinds(store)).toEqual(['interrupted-removal']);
    await collect(store);
    expect([image.versionIds(), image.refs().tags, volumesOf(store)]).toEqual([[], {}, []]);
  });

  test('a removal that was put back meanwhile is no removal, and one whose version is in use is undone', async () => {
    const store = await storeWithImage();
    const image = store.image('base');
    const [id = ''] = image.versionIds();
    const directory = join(store.layout.image('base'), 'versions');
    const hide = (): void =>
      renameSync(join(directory, `${id}.json`), join(directory, `${id}.json.removing`));
    hide();
    const [seen] = (await survey(store)).leftovers;
    renameSync(join(directory, `${id}.json.removing`), join(directory, `${id}.json`));
    await seen!.collect();
    expect(image.versionIds()).toEqual([id]);

    const {record} = await pin(store, parseReference('base'), {
      kind: 'run',
      ephemeral: true,
      command: [],
      labels: {},
      options: {},
    });
    hide();
    expect((await collect(store)).failed).toEqual([]);
    expect([image.versionIds(), image.refs().tags]).toEqual([[id], {latest: id}]);
    store.sessions.drop(record.id);
  });

  test('removals of many versions that were interrupted, and volumes of nobody, are ended together', async () => {
    const store = await storeWithManyVersions(8);
    hideAll(store);
    for (const id of ['0ne', 'tw0']) await addOrphan(store, id);
    const removals = removalsOf(store);
    const {collected, failed} = await collect(store);
    expect([collected.length, failed]).toEqual([10, []]);
    expect(removals.map((ids) => ids.length)).toEqual([8, 2]);
    expect([store.imageNames(), volumesOf(store)]).toEqual([['base'], []]);
    expect((await diagnose(store)).problems).toEqual([]);
  });

  test('one removal that cannot be ended does not hold up the others', async () => {
    const store = await storeWithManyVersions(8);
    const image = store.image('base');
    const [, , third] = image.versions();
    const foreign = join(store.layout.volumes, third!.volume, 'notes.txt');
    writeFileSync(foreign, 'mine\n');
    hideAll(store);
    const {collected, failed} = await collect(store);
    expect(collected.length).toBe(7);
    expect(failed.map(({leftover}) => leftover.what)).toEqual([
      expect.stringContaining(third!.id),
      expect.stringContaining(store.layout.volumes),
    ]);
    expect([image.removingIds(), volumesOf(store)]).toEqual([[third!.id], [third!.volume]]);
    // It keeps nobody else's removal from its end either.
    await addOrphan(store, '0ne');
    const again = await collect(store);
    expect(again.collected.map(({kind}) => kind)).toEqual(['orphan-volume']);
    rmSync(foreign);
    expect((await collect(store)).failed).toEqual([]);
    expect(volumesOf(store)).toEqual([]);
  });

  test('what is left of an image that was removed halfway, or never got a version, goes', async () => {
    const store = await storeWithImage();
    const directory = store.layout.image('half');
    mkdirSync(join(directory, 'versions'), {recursive: true});
    writeFileSync(join(directory, 'history.jsonl'), '');
    expect(await kinds(store)).toEqual(['empty-image']);
    await collect(store);
    expect(store.imageNames()).toEqual(['base']);
    expect((await diagnose(store)).ok).toBe(true);
  });

  test('a trial of the file system and a record of a removed volume that were interrupted go when they are old', async () => {
    const store = await storeWithImage();
    const trial = join(store.layout.volumes, '.chrootctl-trial-123abc');
    mkdirSync(join(trial, 'lower'), {recursive: true});
    const [version] = store.image('base').versions();
    // A removed volume stays as long as an heir needs it.
    const record = join(store.layout.volumes, version!.volume, 'volume.json');
    await store.driver.create('he1r', {parent: version!.volume});
    writeFileSync(record, readFileSync(record, 'utf8').replace('"frozen"', '"removed"'));
    writeFileSync(join(store.layout.volumes, 'he1r', 'volume.json'), heirOf(version!.volume));
    const temporary = `${record}.123.0.tmp`;
    writeFileSync(temporary, '');
    const realNow = Date.now;
    Date.now = () => realNow() + 61_000;
    try {
      expect((await store.driver.check()).map(({what}) => what)).toEqual([
        expect.stringContaining('unfinished record'),
      ]);
      expect(await kinds(store)).toContain('abandoned-trial');
      await collect(store);
    } finally {
      Date.now = realNow;
    }
    expect([existsSync(trial), existsSync(temporary)]).toEqual([false, false]);
  });

  test('the record of a command whose chrootctl died goes', async () => {
    const store = await storeWithImage();
    store.execs.add({session: 'work', owner: {...self(), started: '1'}, command: ['true']});
    expect(await kinds(store)).toEqual(['dead-exec']);
    await collect(store);
    expect(readdirSync(store.layout.execs)).toEqual([]);
  });

  test('torn records and forgotten temporaries go when they are old; an edited record stays and is told of', async () => {
    const store = await storeWithImage();
    const torn = store.layout.session('torn');
    const edited = store.layout.session('edited');
    const temporary = join(store.layout.image('base'), 'refs.json.123.0.tmp');
    for (const [path, text] of [
      [torn, '{"id": "to'],
      [edited, '{}\n'],
      [temporary, ''],
    ] as const) {
      writeFileSync(path, text);
    }
    expect(await kinds(store)).toEqual([]); // They may be being written this moment.
    const realNow = Date.now;
    Date.now = () => realNow() + 61_000;
    try {
      expect((await kinds(store)).sort()).toEqual(['temporary-file', 'torn-record']);
      await collect(store);
    } finally {
      Date.now = realNow;
    }
    expect((await diagnose(store)).problems).toEqual([
      expect.objectContaining({kind: 'damaged-record', what: expect.stringContaining('edited.json')}),
    ]);
  });
});

describe('after a power cut', () => {
  test('a torn record and the volume that it named go together', async () => {
    const store = await storeWithImage();
    const record = deadSession(store);
    await store.driver.create(record.volume, {ephemeral: true});
    writeFileSync(store.layout.session(record.id), '');
    const realNow = Date.now;
    Date.now = () => realNow() + 61_000;
    try {
      expect((await diagnose(store, {fix: true})).ok).toBe(true);
      expect((await diagnose(store)).problems).toEqual([]);
    } finally {
      Date.now = realNow;
    }
    expect(volumesOf(store)).not.toContain(record.volume);
  });

  test.each([true, false])(
    'a kept session that had not begun is gone (its volume made: %s)',
    async (made) => {
      const store = await storeWithImage();
      const {record} = await pin(store, parseReference('base'), {
        kind: 'session',
        name: 'work',
        ephemeral: false,
        command: [],
        labels: {},
        options: {},
      });
      if (made) await store.driver.create(record.volume);
      expect(await kinds(store)).toEqual([]); // It is being begun.
      store.sessions.replace({...record, owner: {...self(), started: '1'}});
      const {ok, fixed} = await diagnose(store, {fix: true});
      expect([ok, fixed.map(({kind}) => kind)]).toEqual([true, ['dead-session']]);
      expect([store.sessions.list(), volumesOf(store).includes(record.volume)]).toEqual([[], false]);
    },
  );
});

test('a commit of a kept session that died before the tag moved never happened, and the session goes on', async () => {
  const store = await storeWithImage();
  const image = store.image('base');
  const [first] = image.versions();
  const commitCutOff = async (name: string): Promise<void> => {
    await begin(store, 'base', {name});
    await unmountRoot(store, store.sessions.get(name));
    const {volume} = store.sessions.get(name);
    await store.driver.freeze(volume);
    await image.change((change) => {
      change.addVersion({...first!, id: `zzzzzzzzzzzzzzz${name}`, volume});
      return Promise.resolve();
    });
  };
  await commitCutOff('0');
  expect((await diagnose(store, {fix: true})).fixed.map(({kind}) => kind)).toEqual(['unfinished-commit']);
  expect((await diagnose(store)).ok).toBe(true);
  expect(image.versions()).toEqual([first]);
  await commitSession(store, '0', {tag: 'mine'});

  // The session may be used before anybody calls doctor.
  await commitCutOff('1');
  await readyRoot(store, '1');
  expect(image.versionIds()).toHaveLength(2);
  await commitSession(store, '1');
  expect((await diagnose(store)).ok).toBe(true);
  for (const name of ['0', '1']) await endSession(store, name);
  expect((await diagnose(store)).ok).toBe(true);
});

describe('the doctor', () => {
  test('drops a tag that points nowhere, and names a version whose volume is gone', async () => {
    const store = await storeWithImage();
    const image = store.image('base');
    await image.change(async (change) => {
      await change.moveTags({lost: 'zzzzzzzzzzzzzzzz'}, {action: 'tag', by: 'test', message: ''});
    });
    await store.driver.remove(image.versions()[0]?.volume ?? '');
    expect((await diagnose(store)).problems.map(({kind}) => kind).sort()).toEqual([
      'dangling-tag',
      'missing-volume',
    ]);
    const {ok, fixed, problems} = await diagnose(store, {fix: true});
    expect([ok, fixed.map(({kind}) => kind), problems.map(({kind}) => kind)]).toEqual([
      false,
      ['dangling-tag'],
      ['missing-volume'],
    ]);
    expect(Object.keys(image.refs().tags)).toEqual(['latest']);
  });

  test('begins a damaged history anew and keeps the old file beside', async () => {
    const store = await storeWithImage();
    const image = store.image('base');
    writeFileSync(image.historyFile, 'rubbish\n');
    expect((await diagnose(store, {fix: true})).fixed.map(({kind}) => kind)).toEqual(['damaged-history']);
    expect(image.history()).toEqual([
      expect.objectContaining({
        tag: 'latest',
        to: image.versionIds()[0],
        message: expect.stringContaining('damaged'),
      }),
    ]);
    expect(readFileSync(`${image.historyFile}.damaged`, 'utf8')).toBe('rubbish\n');
    expect((await diagnose(store)).ok).toBe(true);
  });

  test('says of the record of a command that cannot be read what that keeps from being seen', async () => {
    const store = await storeWithImage();
    const file = join(store.layout.execs, 'work.edited.json');
    writeFileSync(file, '{}\n');
    const [problem, ...others] = (await diagnose(store)).problems;
    expect([problem?.kind, problem?.fix, others]).toEqual([
      'damaged-record',
      expect.stringContaining(`chrootctl gc --give-up ${file}`),
      [],
    ]);
    await collect(store, {giveUp: [file]});
    expect((await diagnose(store)).problems).toEqual([]);
  });

  test('notices a room that others can enter', async () => {
    const store = await storeWithImage();
    chmodSync(store.layout.volumes, 0o755);
    expect((await diagnose(store)).problems).toEqual([expect.objectContaining({kind: 'open-directory'})]);
  });
});
