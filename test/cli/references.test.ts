/** What is printed as an id is taken wherever a version is meant; and what is no version is told what it may be. */
import {describe, expect, test} from '@jest/globals';
import {Store} from '../../src/store/store.ts';
import {Cli} from './chrootctl.ts';

/** An id like that of a version which was made a little later than `id`. */
function similar(id: string): string {
  return id.slice(0, 12) + (id.endsWith('0000') ? '1111' : '0000');
}

describe('the id of a version stands for it', () => {
  test('in every command that takes a reference', async () => {
    const cli = new Cli();
    const first = await cli.importRoot();
    await cli.ok('update', 'base', '--', 'touch', '/second');
    const [{version: second}] = (await cli.json<{version: string}[]>('images')) as [{version: string}];

    expect(await cli.json('inspect', first)).toMatchObject({image: 'base', version: first, tags: []});
    expect(await cli.ok('run', second, '--', 'ls', '/second')).toBe('/second');
    expect((await cli.call(['run', first, '--', 'ls', '/second'])).code).toBe(1);
    expect(await cli.json('diff', first, second)).toEqual([{path: '/second', kind: 'added'}]);
    expect(await cli.json('diff', second)).toEqual([{path: '/second', kind: 'added'}]);
    await cli.ok('export', second, 'second.tar');
    await cli.ok('import', 'second.tar', 'again');
    expect(await cli.json('diff', second, 'again')).toEqual([]);
    expect(await cli.ok('tag', first, 'old')).toBe(`base:old -> ${first}`);
    expect(await cli.ok('rollback', 'base', first)).toContain(`base:latest -> ${first}`);
    expect(await cli.json('history', first)).toEqual(await cli.json('history', 'base'));
    expect(await cli.json('images', second)).toEqual(await cli.json('images', 'base'));
    await cli.ok('session', 'begin', second, '--name', 'work');
    expect(await cli.json('ps')).toEqual([expect.objectContaining({image: 'base', version: second})]);
    await cli.ok('session', 'end', 'work');
    const kept = await cli.call(['run', second, '--name', 'named', '--', 'ls', '/second']);
    expect([kept.code, kept.stdout]).toEqual([0, '/second\n']);
    await cli.ok('session', 'end', 'named');
    // Only that version, tagged ones with --force only, as with IMAGE@VERSION.
    expect((await cli.call(['rm', first])).code).toBe(5);
    expect(await cli.ok('rm', second)).toBe(`base@${second}`);
    expect((await cli.json<unknown[]>('images', 'base')).length).toBe(1);
    const gone = await cli.call(['inspect', second]);
    expect([gone.code, gone.stderr]).toEqual([
      3,
      `chrootctl: there is no image '${second}'\n` +
        '  there is no version of that id either: chrootctl images shows all\n',
    ]);
  });

  test('as a unique beginning of eight characters too, and an image of that name comes first', async () => {
    const cli = new Cli({driver: 'overlay'});
    const id = await cli.importRoot();
    const start = id.slice(0, 8);
    expect(await cli.json('inspect', start)).toMatchObject({version: id});
    const short = await cli.call(['inspect', start.slice(0, 7)]);
    expect([short.code, short.stderr]).toEqual([
      3,
      `chrootctl: there is no image '${start.slice(0, 7)}'\n  the id of a version begins so: write base@${id}\n`,
    ]);

    // Another version that begins so, in another image.
    const store = await Store.open({root: cli.store});
    const [version] = store.image('base').versions();
    const other = {...version!, image: 'other', id: similar(id)};
    await store.image('other').change(async (change) => {
      change.addVersion(other);
      await change.moveTags({latest: other.id}, {action: 'commit', by: 'test', message: ''});
    });
    const both = await cli.call(['inspect', start]);
    expect([both.code, both.stderr]).toEqual([
      2,
      `chrootctl: ${start} matches 2 versions\n  give more of the id: base@${id}, other@${other.id}\n`,
    ]);
    expect(await cli.json('inspect', other.id)).toMatchObject({image: 'other'});

    await cli.importRoot(start);
    expect(await cli.json('inspect', start)).toMatchObject({image: start});
    expect(await cli.json('inspect', id)).toMatchObject({image: 'base'});
  });

  test('but where a name is meant, it is no name', async () => {
    const cli = new Cli({driver: 'overlay'});
    const id = await cli.importRoot();
    for (const words of [
      ['update', id, '--', 'true'],
      ['prune', id],
      ['rollback', id],
    ]) {
      const {code, stderr} = await cli.call(words);
      expect({words, code, stderr}).toEqual({
        words,
        code: 3,
        stderr: `chrootctl: there is no image '${id}'\n  the id of a version begins so: write base@${id}\n`,
      });
    }
    expect(await cli.json('images')).toHaveLength(1);
  });
});
