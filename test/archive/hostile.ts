/** Archives that must be refused as a whole, each with what the refusal has to name. */
import {archive, directory, entry, END, file, link, pax, paxBody, symlink} from './tar-bytes.ts';

export interface Hostile {
  what: string;
  bytes: Buffer;
  names?: string;
}

const root = directory('./');
const device = (name: string, major: number, minor: number, type = '3'): Buffer =>
  entry({name, type, major, minor});
/** Old GNU sparse fields: offset and byte count of each region, then "is extended" and the real size. */
const sparseFields = (
  regions: readonly (readonly [number, number])[],
  realSize: number,
  extended = false,
) => {
  return (block: Buffer): void => {
    const number = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
    regions.forEach(([offset, bytes], index) =>
      block.write(number(offset) + number(bytes), 386 + 24 * index, 'latin1'),
    );
    block[482] = extended ? 1 : 0;
    block.write(number(realSize), 483, 'latin1');
  };
};
const whiteout = device('smuggled', 0, 0);

/** `canary` is an absolute path that nothing may be written to. */
export function hostileArchives(canary: string): Hostile[] {
  const up = `..${canary}`;
  const deep = '../'.repeat(12) + canary.slice(1);
  return [
    // Names.
    {what: 'a name that climbs', bytes: archive(root, file(deep)), names: canary},
    {
      what: 'a name that climbs from inside',
      bytes: archive(root, directory('a/'), file('a/../../x')),
      names: 'a/../../x',
    },
    {what: 'a name that is ..', bytes: archive(directory('..')), names: '..'},
    {what: 'a name with dots that stays inside', bytes: archive(file('a/../b')), names: 'a/../b'},
    {what: 'an absolute name', bytes: archive(root, file(`${canary}/x`)), names: canary},
    {what: 'an absolute prefix', bytes: archive(entry({name: 'x', prefix: canary})), names: canary},
    {what: 'an absolute directory', bytes: archive(directory('/')), names: '/'},
    {what: 'an empty name', bytes: archive(entry({name: ''}))},
    {what: 'a root that is a symlink', bytes: archive(symlink('./', canary))},
    {what: 'a root that is a file', bytes: archive(entry({name: '.', body: 'x'}))},
    {
      what: 'a path in a pax header',
      bytes: archive(root, pax([['path', deep]]), file('good')),
      names: canary,
    },
    {
      what: 'an absolute path in a pax header',
      bytes: archive(pax([['path', `${canary}/x`]]), file('good')),
      names: canary,
    },
    {what: 'a path of NULs in a pax header', bytes: archive(pax([['path', 'a\0b']]), file('good'))},
    {what: 'a path in a global pax header', bytes: archive(pax([['path', 'x']], 'g'), file('good'))},
    {
      what: 'a path longer than any system call takes',
      bytes: archive(pax([['path', `${'a/'.repeat(220_000)}x`]]), file('good')),
    },
    {
      what: 'a link target longer than any system call takes',
      bytes: archive(pax([['linkpath', 'a/'.repeat(2048)]]), symlink('good', 'x')),
    },
    {
      what: 'a name longer than any file system keeps',
      bytes: archive(pax([['path', 'n'.repeat(256)]]), file('good')),
    },
    {
      what: 'a name in a GNU long name',
      bytes: archive(entry({name: '././@LongLink', type: 'L', body: `${deep}\0`}), file('good')),
      names: canary,
    },
    {
      what: 'a NUL inside a GNU long name',
      bytes: archive(entry({name: '././@LongLink', type: 'L', body: 'a\0/../../x\0'}), file('good')),
    },
    {
      what: 'two GNU long names',
      bytes: archive(
        entry({name: 'l', type: 'L', body: 'a\0'}),
        entry({name: 'l', type: 'L', body: 'b\0'}),
        file('good'),
      ),
    },
    {
      what: 'a GNU long name and a pax path',
      bytes: archive(entry({name: 'l', type: 'L', body: 'a\0'}), pax([['path', 'b']]), file('good')),
    },
    {
      what: 'a sparse name in a pax header',
      bytes: archive(
        pax([
          ['path', 'fine'],
          ['GNU.sparse.name', deep],
        ]),
        file('good'),
      ),
      names: canary,
    },
    {
      what: 'two paths in one pax header',
      bytes: archive(
        pax([
          ['path', 'a'],
          ['path', 'b'],
        ]),
        file('good'),
      ),
    },
    {
      what: 'two pax headers for one entry',
      bytes: archive(pax([['path', 'a']]), pax([['path', 'b']]), file('good')),
    },
    // Links.
    {
      what: 'a hard link to an absolute name',
      bytes: archive(root, link('x', `${canary}/secret`)),
      names: 'x',
    },
    {what: 'a hard link that climbs', bytes: archive(root, link('x', `../${up}/secret`)), names: 'x'},
    {
      what: 'a hard link target in a pax header',
      bytes: archive(pax([['linkpath', `${canary}/secret`]]), link('x', 'good')),
      names: 'x',
    },
    {
      what: 'a hard link target in a GNU long link',
      bytes: archive(entry({name: 'l', type: 'K', body: `${canary}/secret\0`}), link('x', 'good')),
      names: 'x',
    },
    {
      what: 'a hard link to a symlink that leads out',
      bytes: archive(symlink('s', `${canary}/secret`), link('x', 's'), file('x')),
      names: 'x',
    },
    {
      what: 'a hard link to a symlink that climbs out',
      bytes: archive(symlink('s', '../../secret'), link('x', 's')),
      names: 'x',
    },
    {
      what: 'a hard link through a symlink that leads out',
      bytes: archive(symlink('s', canary), link('x', 's/secret')),
      names: 'x',
    },
    {
      what: 'a hard link with contents',
      bytes: archive(file('a'), entry({name: 'b', type: '1', linkName: 'a', body: 'x'})),
      names: 'b',
    },
    {what: 'a hard link to the root', bytes: archive(root, link('x', './'))},
    {
      what: 'a file through an absolute symlink',
      bytes: archive(symlink('s', canary), file('s/x')),
      names: 's/x',
    },
    {
      what: 'a file through a symlink that climbs',
      bytes: archive(symlink('s', deep), file('s/x')),
      names: 's/x',
    },
    {
      what: 'a file through two symlinks',
      bytes: archive(directory('a/'), symlink('a/up', '..'), symlink('b', 'a/up/..'), file('b/x')),
      names: 'b/x',
    },
    {
      what: 'a file through a symlink below a symlink',
      bytes: archive(directory('d/'), symlink('e', 'd'), symlink('e/s', canary), file('d/s/x')),
      names: 'd/s/x',
    },
    {
      what: 'a directory through a symlink',
      bytes: archive(symlink('s', canary), directory('s/x/')),
      names: 's/x',
    },
    {what: 'a symlink loop', bytes: archive(symlink('a', 'b'), symlink('b', 'a'), file('a/x')), names: 'a/x'},
    {
      what: 'a symlink through a hard link of one',
      bytes: archive(directory('d/'), symlink('d/s', '..'), link('t', 'd/s'), file('t/x')),
      names: 't/x',
    },
    {
      what: 'a symlink in place of a directory in use',
      bytes: archive(directory('d/'), file('d/a'), symlink('d', canary), file('d/b')),
      names: 'd/b',
    },
    {what: 'a symlink without a target', bytes: archive(symlink('s', '')), names: 's'},
    // What overlayfs would take for its own.
    {what: 'a whiteout', bytes: archive(root, whiteout), names: 'smuggled'},
    {what: 'a whiteout with blank device numbers', bytes: archive(entry({name: 'w', type: '3'})), names: 'w'},
    {
      what: 'a device number that wraps to 0',
      bytes: archive(
        entry({
          name: 'w',
          type: '3',
          patch: (block) => Buffer.from([0x80, 0, 0, 1, 0, 0, 0, 0]).copy(block, 329),
        }),
      ),
      names: 'w',
    },
    // Sizes.
    {what: 'a negative size', bytes: archive(entry({name: 'x', size: Buffer.alloc(12, 0xff)})), names: 'x'},
    {what: 'a size that is no number', bytes: archive(entry({name: 'x', size: '0000009x000'})), names: 'x'},
    {
      what: 'a size beyond all numbers',
      bytes: archive(
        entry({
          name: 'x',
          size: Buffer.from([0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        }),
      ),
      names: 'x',
    },
    {what: 'a size beyond the archive', bytes: archive(entry({name: 'x', size: 1 << 30})), names: 'x'},
    {
      what: 'a size in a pax header beyond the archive',
      bytes: archive(pax([['size', '99999999']]), file('x')),
      names: 'x',
    },
    {what: 'a negative size in a pax header', bytes: archive(pax([['size', '-512']]), file('x')), names: 'x'},
    {what: 'a directory with contents', bytes: archive(entry({name: 'd', type: '5', body: 'x'})), names: 'd'},
    {
      what: 'a symlink with contents',
      bytes: archive(entry({name: 's', type: '2', linkName: 'x', body: 'x'})),
      names: 's',
    },
    {
      what: 'a pax header larger than memory',
      bytes: archive(entry({name: 'p', type: 'x', size: '77777777777'})),
    },
    // Headers.
    {what: 'a wrong checksum in the first header', bytes: archive(entry({name: 'x', checksum: 1}))},
    {what: 'a wrong checksum later', bytes: archive(file('a'), entry({name: 'x', checksum: 1})), names: 'x'},
    {
      what: 'a pax record that lies about its length',
      bytes: archive(entry({name: 'p', type: 'x', body: '99 path=x\n'}), file('a')),
    },
    {
      what: 'a pax record without a length',
      bytes: archive(entry({name: 'p', type: 'x', body: 'path=x\n'}), file('a')),
    },
    {
      what: 'a pax record that hides another',
      bytes: archive(
        entry({
          name: 'p',
          type: 'x',
          body: Buffer.concat([paxBody([['comment', 'x']]), Buffer.from('\0'), paxBody([['path', 'b']])]),
        }),
        file('a'),
      ),
    },
    {what: 'an extended header without an entry', bytes: archive(file('a'), pax([['path', 'b']]))},
    {what: 'an unknown type', bytes: archive(entry({name: 'x', type: 'Q'})), names: 'x'},
    {what: 'a part of a larger archive', bytes: archive(entry({name: 'x', type: 'M'})), names: 'x'},
    // Sparse maps that would make tar(1) read headers as contents, and contents as headers.
    {
      what: 'a sparse map with more than the contents',
      bytes: archive(
        entry({
          name: 'x',
          type: 'S',
          magic: 'gnu',
          patch: sparseFields(
            [
              [0, 512],
              [1024, 512],
            ],
            2048,
          ),
          body: Buffer.alloc(512, 1),
        }),
        entry({name: 'y', body: whiteout}),
      ),
      names: 'x',
    },
    {
      what: 'a sparse map with less than the contents',
      bytes: archive(
        entry({
          name: 'x',
          type: 'S',
          magic: 'gnu',
          patch: sparseFields([[0, 512]], 2048),
          body: Buffer.concat([Buffer.alloc(512, 1), whiteout]),
        }),
      ),
      names: 'x',
    },
    {
      what: 'a sparse map that goes on after its end',
      bytes: archive(
        entry({
          name: 'x',
          type: 'S',
          magic: 'gnu',
          patch: sparseFields([[0, 512]], 512, true),
          body: Buffer.alloc(512, 1),
        }),
      ),
      names: 'x',
    },
    {
      what: 'a sparse file in an unknown format',
      bytes: archive(
        entry({name: 'x', type: 'S', patch: sparseFields([[0, 512]], 512), body: Buffer.alloc(512, 1)}),
      ),
      names: 'x',
    },
    {
      what: 'a sparse map in a pax header that does not fit',
      bytes: archive(
        pax([
          ['GNU.sparse.size', '4096'],
          ['GNU.sparse.numblocks', '1'],
          ['GNU.sparse.map', '0,2048'],
        ]),
        entry({name: 'x', body: Buffer.alloc(512, 1)}),
        file('y'),
      ),
      names: 'x',
    },
    {
      what: 'a sparse map in the contents that does not fit',
      bytes: archive(
        pax([
          ['GNU.sparse.major', '1'],
          ['GNU.sparse.minor', '0'],
          ['GNU.sparse.name', 'x'],
          ['GNU.sparse.realsize', '4096'],
        ]),
        entry({
          name: 'y',
          body: Buffer.concat([Buffer.from('1\n0\n2048\n'.padEnd(512, '\0')), Buffer.alloc(512, 1)]),
        }),
        file('z'),
      ),
      names: 'x',
    },
    {
      what: 'a sparse map that is no numbers',
      bytes: archive(
        pax([
          ['GNU.sparse.major', '1'],
          ['GNU.sparse.minor', '0'],
          ['GNU.sparse.name', 'x'],
          ['GNU.sparse.realsize', '4096'],
        ]),
        entry({name: 'y', body: 'one\n'.padEnd(512, '\0')}),
      ),
      names: 'x',
    },
    {
      what: 'a sparse directory',
      bytes: archive(
        pax([
          ['GNU.sparse.major', '1'],
          ['GNU.sparse.minor', '0'],
        ]),
        directory('d/'),
      ),
      names: 'd',
    },
    // Ends.
    {what: 'no end marker', bytes: Buffer.concat([root, file('a')])},
    {
      what: 'an end in the middle of contents',
      bytes: archive(root, entry({name: 'a', body: Buffer.alloc(4096, 1)})).subarray(0, 2048),
      names: 'a',
    },
    {what: 'an end in the middle of a header', bytes: archive(root, file('a')).subarray(0, 700)},
    {
      what: 'a second archive after the first',
      bytes: Buffer.concat([archive(file('a')), archive(file('b'))]),
    },
    {what: 'no entry at all', bytes: END},
    // Directories in the way.
    {what: 'a file in place of a full directory', bytes: archive(directory('d/'), file('d/a'), file('d'))},
    {what: 'a file below a file', bytes: archive(file('a'), file('a/b')), names: 'a/b'},
    // Other kinds of files.
    {what: 'nothing', bytes: Buffer.alloc(0), names: 'empty'},
    {
      what: 'random bytes',
      bytes: Buffer.from(Array.from({length: 4096}, (_byte, index) => (index * 73 + 41) % 251)),
    },
    {what: 'a short text', bytes: Buffer.from('hello\n')},
    {what: 'an ELF program', bytes: Buffer.from('\x7fELF'.padEnd(2048, '\0'), 'latin1'), names: 'ELF'},
    {what: 'a zip archive', bytes: Buffer.from('PK\x03\x04'.padEnd(2048, '\0'), 'latin1'), names: 'zip'},
    {what: 'a bzip2 file', bytes: Buffer.from('BZh9'.padEnd(2048, '1'), 'latin1'), names: 'bzip2'},
    {
      what: 'a docker archive',
      bytes: archive(file('manifest.json', '[]'), directory('0123/'), file('0123/layer.tar')),
      names: 'docker',
    },
    {
      what: 'an OCI archive',
      bytes: archive(file('oci-layout', '{}'), file('index.json', '{}'), directory('blobs/')),
      names: 'OCI',
    },
  ];
}
