import {describe, expect, test} from '@jest/globals';
import fc from 'fast-check';
import {execFileSync} from 'node:child_process';
import {mkdirSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {lookUp} from '../../src/sandbox/in-root.ts';
import {temporaryDirectory} from '../temporary.ts';

function layer(files: readonly string[], links: Record<string, string> = {}): string {
  const root = temporaryDirectory();
  for (const file of files) {
    mkdirSync(join(root, file, '..'), {recursive: true});
    if (file.endsWith('/')) mkdirSync(join(root, file), {recursive: true});
    else writeFileSync(join(root, file), '');
  }
  for (const [path, target] of Object.entries(links)) symlinkSync(target, join(root, path));
  return root;
}

describe('one directory', () => {
  const links = {
    abs: '/etc/f',
    up: '../../../etc',
    loop: 'loop',
    chain: 'up/f',
    dangling: '/run/no/such',
    self: '.',
  };
  test.each([
    ['/etc/f', '/etc/f', 'file'],
    ['/abs', '/etc/f', 'file'],
    ['/up', '/etc', 'directory'],
    ['/up/f', '/etc/f', 'file'],
    ['/chain', '/etc/f', 'file'],
    ['/dangling', '/run/no/such', 'missing'],
    ['/self/self/etc/../etc/./f', '/etc/f', 'file'],
    ['/../../..', '/', 'directory'],
    ['/etc/../../../../etc', '/etc', 'directory'],
    ['/new/deep/../place', '/new/place', 'missing'],
    ['//', '/', 'directory'],
  ])('%s is %s', (path, arrived, kind) => {
    const root = layer(['etc/f'], links);
    expect(lookUp([{target: '/', layers: [root]}], path)).toMatchObject({path: arrived, kind});
  });

  test.each(['/loop', '/loop/x', '/etc/f/x'])('%s is refused', (path) => {
    const root = layer(['etc/f'], links);
    expect(() => lookUp([{target: '/', layers: [root]}], path)).toThrow(
      expect.objectContaining({code: 'FAILED'}),
    );
  });
});

describe('layers', () => {
  test('the top one wins, a whiteout hides, the rest shows through', () => {
    const top = layer(['d/a'], {l: '/d/top'});
    const bottom = layer(['d/a', 'd/b', 'gone', 'l', 'd/top']);
    execFileSync('mknod', [join(top, 'gone'), 'c', '0', '0']);
    const look = (path: string) => lookUp([{target: '/', layers: [top, bottom]}], path);
    expect(look('/d/a').source).toBe(join(top, 'd/a'));
    expect(look('/d/b').source).toBe(join(bottom, 'd/b'));
    expect(look('/gone')).toMatchObject({kind: 'missing', source: undefined});
    expect(look('/l')).toMatchObject({path: '/d/top', source: join(bottom, 'd/top')});
  });

  test('a mounted volume covers what is below it', () => {
    const root = layer(['v/x']);
    const volume = layer(['y'], {out: '/v/y'});
    const views = [
      {target: '/', layers: [root]},
      {target: '/v', layers: [volume]},
      {target: '/proc', layers: []},
    ];
    expect(lookUp(views, '/v/x').kind).toBe('missing');
    expect(lookUp(views, '/v/out')).toMatchObject({path: '/v/y', source: join(volume, 'y')});
    expect(lookUp(views, '/proc/self').kind).toBe('unknown');
  });
});

test('whatever the links say, nothing outside is found', () => {
  const part = fc.constantFrom('..', '.', 'a', 'b', 'c', '');
  const target = fc
    .tuple(fc.boolean(), fc.array(part, {maxLength: 6}))
    .map(([abs, parts]) => (abs ? '/' : '') + parts.join('/') || '.');
  const root = layer(['a/', 'b/']);
  fc.assert(
    fc.property(target, target, fc.array(part, {maxLength: 8}), (first, second, path) => {
      const links = {[join(root, 'a/c')]: first, [join(root, 'c')]: second};
      try {
        for (const [at, to] of Object.entries(links)) symlinkSync(to, at);
        const found = lookUp([{target: '/', layers: [root]}], `/${path.join('/')}`);
        expect(found.path.split('/')).not.toContain('..');
        if (found.source !== undefined) expect(`${found.source}/`.startsWith(`${root}/`)).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({code: 'FAILED'});
      } finally {
        for (const at of Object.keys(links)) rmSync(at, {force: true});
      }
    }),
  );
});
