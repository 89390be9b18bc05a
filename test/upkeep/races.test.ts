/** Upkeep beside commands that are at work: what it saw a moment ago may be otherwise when it acts. */
import {describe, expect, test} from '@jest/globals';
import {existsSync, mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {versionId} from '../../src/ids.ts';
import {diff} from '../../src/images/diff.ts';
import {importImage} from '../../src/images/import.ts';
import {removeReference} from '../../src/images/remove.ts';
import {parseReference} from '../../src/reference.ts';
import {begin} from '../../src/session/begin.ts';
import {commitSession, endSession} from '../../src/session/commit.ts';
import {pin} from '../../src/session/pin.ts';
import {isMounted} from '../../src/session/root.ts';
import {ImageChange, type Image} from '../../src/store/image.ts';
import {Store} from '../../src/store/store.ts';
import {self} from '../../src/system/identity.ts';
import {survey} from '../../src/upkeep/survey.ts';
import {diagnose} from '../../src/upkeep/doctor.ts';
import {temporaryDirectory} from '../temporary.ts';

async function storeWithImage(): Promise<{store: Store; root: string}> {
  const directory = temporaryDirectory();
  const root = join(directory, 'root');
  mkdirSync(join(root, 'etc'), {recursive: true});
  const store = await Store.open({root: join(directory, 'store'), driver: 'directory'});
  await importImage(store, root, {target: 'base'});
  return {store, root};
}

/** Runs `between` after the next call of a method has read what it reads. */
function afterNext<T extends object>(
  target: T,
  method: keyof T & string,
  between: () => void | Promise<void>,
): void {
  const original = target[method] as (...words: unknown[]) => unknown;
  Object.assign(target, {
    [method]: (...words: unknown[]) => {
      Reflect.deleteProperty(target, method);
      const read = original.apply(target, words);
      const done = between();
      return done === undefined ? read : done.then(() => read);
    },
  });
}

/** The store hands out this one image, so that its methods can be watched. */
function watched(store: Store, name: string): Image {
  const image = store.image(name);
  Object.assign(store, {
    image: (other: string) => (other === name ? image : Store.prototype.image.call(store, other)),
  });
  return image;
}

const reason = {action: 'commit', by: 'test', message: ''} as const;

describe('a doctor beside a commit', () => {
  test('does not take the new version for one that is gone, nor drop its tag', async () => {
    const {store} = await storeWithImage();
    const image = watched(store, 'base');
    const [version] = image.versions();
    const next = {...version!, id: versionId(version!.id)};
    afterNext(image, 'versionIds', () => {
      const change = new ImageChange(image, store.layout.image('base'));
      change.addVersion(next);
      change.applyMoves(change.prepareMoves({latest: next.id}, reason));
    });
    await diagnose(store, {fix: true});
    expect(image.refs().tags).toEqual({latest: next.id});
  });

  test('does not miss the volume that was not there yet', async () => {
    const {store, root} = await storeWithImage();
    await survey(store);
    // Only the doctor's own look: the first is that for leftovers.
    afterNext(store.driver, 'list', () =>
      afterNext(store.driver, 'list', async () => {
        await importImage(store, root, {target: 'base'});
      }),
    );
    expect((await diagnose(store)).problems).toEqual([]);
  });

  test('does not miss the volume of a session that begins', async () => {
    const {store} = await storeWithImage();
    afterNext(store.driver, 'list', () =>
      afterNext(store.driver, 'list', async () => {
        await begin(store, 'base', {name: 'work'});
      }),
    );
    expect((await diagnose(store)).problems).toEqual([]);
    await endSession(store, 'work');
  });
});

describe('beside the removal of an image that is made anew', () => {
  function madeAnew(store: Store, image: Image): void {
    const [version] = image.versions();
    const change = new ImageChange(image, store.layout.image('base'));
    change.replaceHistory(
      [{seq: 1, time: new Date().toISOString(), tag: 'latest', from: null, to: version!.id, ...reason}],
      1,
    );
  }

  async function withLongHistory(): Promise<{store: Store; image: Image}> {
    const {store} = await storeWithImage();
    const image = watched(store, 'base');
    for (const tag of ['one', 'two'])
      await image.change((change) => change.moveTags({[tag]: image.versionIds()[0]!}, reason));
    return {store, image};
  }

  test('its history is the new one', async () => {
    const {store, image} = await withLongHistory();
    afterNext(image, 'refs', () => madeAnew(store, image));
    expect(image.history()).toHaveLength(1);
  });

  test('the doctor leaves the new history alone', async () => {
    const {store, image} = await withLongHistory();
    writeFileSync(image.historyFile, 'rubbish\n');
    const change = image.change.bind(image);
    // The doctor has seen the damage, and waits for the lock.
    Object.assign(image, {
      change: (work: Parameters<typeof change>[0]) => {
        madeAnew(store, image);
        return change(work);
      },
    });
    await diagnose(store, {fix: true});
    expect(existsSync(`${image.historyFile}.damaged`)).toBe(false);
    expect(image.history()).toHaveLength(1);
  });
});

describe('a collector that comes late', () => {
  const fields = {
    kind: 'session',
    name: 'work',
    ephemeral: false,
    command: [],
    labels: {},
    options: {},
  } as const;

  test('leaves a session alone that has the name of the one it came for', async () => {
    const {store} = await storeWithImage();
    const {record} = await pin(store, parseReference('base'), {...fields, command: [], labels: {}});
    store.sessions.replace({...record, owner: {...self(), started: '1'}});
    const late = (await survey(store)).leftovers;
    for (const {collect} of (await survey(store)).leftovers) await collect();
    await begin(store, 'base', {name: 'work'});
    for (const {collect} of late) await collect();
    expect(store.sessions.find('work')).toBeDefined();
    expect(isMounted(store.layout.mount('work'))).toBe(true);
    expect((await diagnose(store)).ok).toBe(true);
    await endSession(store, 'work');
  });

  test('leaves the mount of a session alone that began meanwhile', async () => {
    const {store} = await storeWithImage();
    mkdirSync(store.layout.mount('work'));
    const late = (await survey(store)).leftovers;
    expect(late.map(({kind}) => kind)).toEqual(['stray-mount']);
    await begin(store, 'base', {name: 'work'});
    for (const {collect} of late) await collect();
    expect(isMounted(store.layout.mount('work'))).toBe(true);
    await endSession(store, 'work');
  });
});

test('a session that is ended while it is compared is no failure of the comparison', async () => {
  const {store} = await storeWithImage();
  await begin(store, 'base', {name: 'work'});
  const changes = store.driver.changes.bind(store.driver);
  store.driver.changes = async function* (...words) {
    await endSession(store, 'work');
    yield* changes(...words);
  };
  await expect(Array.fromAsync(diff(store, 'work'))).rejects.toMatchObject({code: 'BUSY'});
});

describe('a session', () => {
  test('that is ended while it begins is ended, and not half there', async () => {
    const {store} = await storeWithImage();
    let ending: Promise<unknown> = Promise.resolve();
    afterNext(store.driver, 'plan', async () => {
      ending = endSession(store, 'work').catch((error: unknown) => error);
      // It waits until the session has begun; if it did not, it would be done by now.
      await Promise.race([ending, sleep(500)]);
    });
    await begin(store, 'base', {name: 'work'}).catch((error: unknown) => error);
    await ending;
    expect((await diagnose(store)).problems).toEqual([]);
    expect(store.sessions.list()).toEqual([]);
    expect((await store.driver.list()).length).toBe(1);
  });

  test('keeps the version that it has become from being removed before it goes on', async () => {
    const {store} = await storeWithImage();
    await begin(store, 'base', {name: 'work'});
    let removal: unknown;
    afterNext(store.driver, 'usage', async () => {
      // When the commit has ended, and the session has no clone of the new version yet.
      const create = store.driver.create.bind(store.driver);
      store.driver.create = async (...words) => {
        store.driver.create = create;
        const [newest] = store.image('base').versions().reverse();
        removal = await removeReference(store, `base@${newest?.id ?? ''}`, {force: true}).catch(
          (error: unknown) => error,
        );
        return create(...words);
      };
      return Promise.resolve();
    });
    await commitSession(store, 'work');
    expect(removal).toMatchObject({code: 'BUSY'});
    await endSession(store, 'work');
    expect((await diagnose(store)).ok).toBe(true);
  });

  test('has one who changes it at a time, whoever ends it meanwhile', async () => {
    const {store} = await storeWithImage();
    const {sessions} = store;
    let working = 0;
    const work = async (): Promise<void> => {
      expect(++working).toBe(1);
      await sleep(100);
      working--;
    };
    // There is no such session any more when the first has ended, so the lock's file goes with it.
    const first = sessions.locked('work', work);
    const waiting = sessions.locked('work', work);
    await first;
    await Promise.all([waiting, sessions.locked('work', work)]);
    expect(readdirSync(store.layout.locks).filter((name) => name.startsWith('session-'))).toEqual([]);
  });
});
