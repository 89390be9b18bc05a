import {describe, expect, test} from '@jest/globals';
import {execFile} from 'node:child_process';
import {mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {versionId} from '../../src/ids.ts';
import {Image, type TagMoves} from '../../src/store/image.ts';
import {Layout} from '../../src/store/layout.ts';
import type {VersionRecord} from '../../src/store/records.ts';
import {temporaryDirectory} from '../temporary.ts';

const reason = {action: 'commit', by: 'test', message: ''} as const;

function newImage(): {image: Image; layout: Layout} {
  const layout = new Layout(temporaryDirectory());
  mkdirSync(layout.locks);
  return {image: new Image(layout, 'host.example:5000/debian'), layout};
}

async function move(image: Image, moves: TagMoves): Promise<void> {
  await image.change((change) => change.moveTags(moves, reason));
}

function version(image: Image, parent: string | null = null): VersionRecord {
  return {
    id: versionId(parent),
    image: image.name,
    parent,
    created: new Date().toISOString(),
    message: '',
    labels: {},
    config: {env: {}, mounts: []},
    volume: 'v0',
    size: 0,
  };
}

test.each(['constructor', 'toString', '__proto__'])('a tag may be named %s', async (tag) => {
  const {image} = newImage();
  const {id} = version(image);
  await move(image, {latest: id});
  expect(image.refs().tags[tag]).toBeUndefined();
  await move(image, {[tag]: id});
  expect(image.refs().tags[tag]).toBe(id);
  expect(image.history()).toMatchObject([{tag: 'latest'}, {tag, from: null, to: id}]);
  await move(image, {[tag]: null});
  expect(Object.keys(image.refs().tags)).toEqual(['latest']);
});

describe('an image', () => {
  test('that does not exist has no tags, versions or history', () => {
    const {image} = newImage();
    expect([image.exists(), image.refs().tags, image.versionIds(), image.history()]).toEqual([
      false,
      {},
      [],
      [],
    ]);
  });

  test('moves several tags in one step and tells of each', async () => {
    const {image} = newImage();
    const first = version(image);
    await image.change(async (change) => {
      change.addVersion(first);
      await change.moveTags({latest: first.id, '1.0.0': first.id}, reason);
    });
    expect(image.refs()).toEqual({seq: 1, tags: {latest: first.id, '1.0.0': first.id}});
    expect(image.history().map(({tag, from, to}) => [tag, from, to])).toEqual([
      ['latest', null, first.id],
      ['1.0.0', null, first.id],
    ]);
    await move(image, {latest: first.id});
    expect(image.refs().seq).toBe(1); // Nothing moved, so nothing is told.
    await move(image, {latest: null});
    expect(image.refs().tags).toEqual({'1.0.0': first.id});
  });

  test('a damaged record is named, not taken for an empty one', () => {
    const {image, layout} = newImage();
    mkdirSync(layout.image(image.name), {recursive: true});
    writeFileSync(join(layout.image(image.name), 'refs.json'), '{"seq": "x", "tags": {}}');
    expect(() => image.refs()).toThrow(/refs\.json is damaged/);
  });

  test('a hidden version is out of sight and can be put back', async () => {
    const {image} = newImage();
    const first = version(image);
    await image.change(async (change) => {
      change.addVersion(first);
      expect(change.hideVersions([first.id])).toEqual([first]);
      expect(image.version(first.id)).toBeUndefined();
      expect(change.hideVersions([first.id])).toEqual([first]); // A second time, after an interruption.
      expect(image.removingIds()).toEqual([first.id]);
      change.putBack([first.id]);
      expect(image.version(first.id)).toEqual(first);
      change.hideVersions([first.id]);
      change.dropVersions([first.id]);
      await change.dropImage();
    });
    expect(image.exists()).toBe(false);
  });

  test('no move of racing processes is lost, and each starts where another ended', async () => {
    const {image, layout} = newImage();
    const script = join(layout.root, 'mover.ts');
    writeFileSync(
      script,
      `import {Image} from ${JSON.stringify(new URL('../../src/store/image.ts', import.meta.url).href)};
       import {Layout} from ${JSON.stringify(new URL('../../src/store/layout.ts', import.meta.url).href)};
       import {versionId} from ${JSON.stringify(new URL('../../src/ids.ts', import.meta.url).href)};
       const image = new Image(new Layout(${JSON.stringify(layout.root)}), ${JSON.stringify(image.name)});
       for (let i = 0; i < 10; i++) {
         await image.change(async (change) => {
           const from = image.refs().tags.latest ?? null;
           await new Promise((resolve) => setTimeout(resolve, 2));
           if ((image.refs().tags.latest ?? null) !== from) throw new Error('moved under the lock');
           change.moveTags({latest: versionId(from)}, ${JSON.stringify(reason)});
         });
       }`,
    );
    const processes = Array.from({length: 4}, () => promisify(execFile)(process.execPath, [script]));
    await Promise.all(processes);
    const moves = image.history();
    expect(moves).toHaveLength(40);
    for (const [index, move] of moves.entries()) expect(move.from).toBe(moves[index - 1]?.to ?? null);
    expect(image.refs()).toEqual({seq: 40, tags: {latest: moves.at(-1)?.to}});
    expect(readdirSync(layout.image(image.name)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
