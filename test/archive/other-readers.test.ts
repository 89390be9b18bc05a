import {createReadStream, linkSync, mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {text} from 'node:stream/consumers';
import {expect, test} from '@jest/globals';
import {extract} from 'tar-stream';
import {packRoot} from '../../src/archive/pack.ts';
import {inTemporary} from './trees.ts';

test('a reader that is not ours finds in an archive what was in the tree', () =>
  inTemporary(async (directory) => {
    const tree = join(directory, 'tree');
    const long = 'n'.repeat(200);
    mkdirSync(join(tree, 'etc', long), {recursive: true});
    writeFileSync(join(tree, 'etc/hostname'), 'here\n', {mode: 0o640});
    linkSync(join(tree, 'etc/hostname'), join(tree, 'etc/same'));
    symlinkSync('/proc/mounts', join(tree, 'etc/mtab'));
    writeFileSync(join(tree, 'etc', long, 'ä'), 'ä');
    await packRoot(tree, join(directory, 'out.tar'), {compression: 'none'});

    const entries: Record<string, unknown> = {};
    const reader = extract();
    const read = createReadStream(join(directory, 'out.tar')).pipe(reader);
    for await (const entry of read) {
      const {name, type, mode, linkname} = entry.header;
      const content = await text(entry);
      entries[name] = {type, ...(type === 'file' ? {content, mode} : {}), ...(linkname ? {linkname} : {})};
    }
    expect(entries).toEqual({
      './': {type: 'directory'},
      './etc/': {type: 'directory'},
      './etc/hostname': {type: 'file', content: 'here\n', mode: 0o640},
      './etc/same': {type: 'link', linkname: './etc/hostname'},
      './etc/mtab': {type: 'symlink', linkname: '/proc/mounts'},
      [`./etc/${long}/`]: {type: 'directory'},
      [`./etc/${long}/ä`]: {type: 'file', content: 'ä', mode: 0o644},
    });
  }));
