import {execFileSync} from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {expect, test} from '@jest/globals';
import fc from 'fast-check';
import {packRoot, type Compression} from '../../src/archive/pack.ts';
import {unpackRoot} from '../../src/archive/unpack.ts';
import {describe as describeTree, inTemporary} from './trees.ts';

/** Any bytes but NUL and slash; dots alone mean something else. */
const name = fc
  .uint8Array({minLength: 1, maxLength: 40})
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x0a : byte))))
  .filter((bytes) => !['.', '..'].includes(bytes.toString('latin1')));

const node = fc.record({
  name,
  kind: fc.constantFrom('file', 'sparse', 'directory', 'symlink', 'link', 'fifo', 'device'),
  mode: fc.integer({min: 0, max: 0o7777}),
  uid: fc.integer({min: 0, max: 3_000_000}),
  gid: fc.integer({min: 0, max: 3_000_000}),
  seconds: fc.integer({min: 0, max: 4_000_000_000}),
  body: fc.uint8Array({maxLength: 2000}),
  attribute: fc.option(
    fc.uint8Array({minLength: 1, maxLength: 100}).map((bytes) => Buffer.from(bytes).toString('hex')),
  ),
  acl: fc.option(fc.integer({min: 1, max: 3_000_000})),
  /** Which earlier node it is in or linked to. */
  choice: fc.nat(),
});
type Node = typeof node extends fc.Arbitrary<infer T> ? T : never;

/** Makes the nodes below `root`, later ones inside earlier directories. Odd names come last: tools cannot take them. */
function plant(root: string, nodes: readonly Node[]): void {
  const directories = [Buffer.from(root)];
  const files: Buffer[] = [];
  const times: [Buffer, number][] = [];
  for (const node of nodes) {
    const path = Buffer.concat([directories[node.choice % directories.length]!, Buffer.from('/'), node.name]);
    if (existsSync(path)) continue;
    if (node.kind === 'link') {
      const target = files[node.choice % Math.max(1, files.length)];
      if (target !== undefined) linkSync(target, path);
      continue;
    }
    const staged = join(root, '../staged');
    make(staged, node);
    renameSync(staged, path);
    if (node.kind === 'directory') directories.push(path);
    if (node.kind === 'file' || node.kind === 'sparse') files.push(path);
    times.push([path, node.seconds]);
  }
  // Last, and inner ones first: what is made inside directories changes their times.
  for (const [path, seconds] of times.reverse()) lutimesSync(path, seconds, seconds + 0.25);
  lutimesSync(root, 1_000_000, 1_000_000);
}

function make(path: string, node: Node): void {
  if (node.kind === 'directory') mkdirSync(path);
  else if (node.kind === 'symlink') symlinkSync(Buffer.concat([Buffer.from('/'), node.name]), path);
  else if (node.kind === 'fifo') execFileSync('mkfifo', [path]);
  else if (node.kind === 'device') execFileSync('mknod', [path, 'c', '1', '3']);
  else writeFileSync(path, node.body);
  if (node.kind === 'sparse') {
    const fd = openSync(path, 'r+');
    writeSync(fd, Buffer.alloc(4096, 7), 0, 4096, 1 << 20);
    ftruncateSync(fd, 4 << 20);
    closeSync(fd);
  }
  lchownSync(path, node.uid, node.gid);
  if (node.kind === 'symlink') return;
  chmodSync(path, node.mode);
  const plain = ['file', 'sparse', 'directory'].includes(node.kind);
  if (node.attribute !== null && plain)
    execFileSync('setfattr', ['-n', 'user.test', '-v', `0x${node.attribute}`, path]);
  if (node.acl !== null && plain) execFileSync('setfacl', ['-m', `u:${node.acl}:rw,g:${node.acl}:x`, path]);
}

test('any tree comes back as it was', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(node, {maxLength: 25}),
      fc.constantFrom<Compression>('none', 'gzip', 'xz', 'zstd'),
      (nodes, compression) =>
        inTemporary(async (directory) => {
          const [tree, back, tar] = [
            join(directory, 'tree'),
            join(directory, 'back'),
            join(directory, 'tar'),
          ];
          mkdirSync(tree);
          mkdirSync(back);
          plant(tree, nodes);
          await packRoot(tree, tar, {compression});
          const warnings: string[] = [];
          await unpackRoot(tar, back, {onWarning: (line) => warnings.push(line)});
          expect(warnings).toEqual([]);
          expect(describeTree(back)).toEqual(describeTree(tree));
        }),
    ),
    {numRuns: 25},
  );
});

test('the same tree makes the same archive, also after a round trip', () =>
  inTemporary(async (directory) => {
    const at = (name: string): string => join(directory, name);
    mkdirSync(at('tree'));
    mkdirSync(at('back'));
    const nodes = fc.sample(node, {numRuns: 30, seed: 7});
    plant(at('tree'), nodes);
    await packRoot(at('tree'), at('1.tar'), {compression: 'none'});
    await packRoot(at('tree'), at('2.tar'), {compression: 'none'});
    await unpackRoot(at('1.tar'), at('back'));
    await packRoot(at('back'), at('3.tar'), {compression: 'none'});
    const first = readFileSync(at('1.tar'));
    expect(readFileSync(at('2.tar')).equals(first)).toBe(true);
    expect(readFileSync(at('3.tar')).equals(first)).toBe(true);
  }));

test('a directory is taken as it is, without sockets and what is mounted in it', () =>
  inTemporary(async (directory) => {
    const [tree, back] = [join(directory, 'tree'), join(directory, 'back')];
    mkdirSync(tree);
    mkdirSync(back);
    plant(tree, fc.sample(node, {numRuns: 20, seed: 3}));
    mkdirSync(join(tree, 'mounted'));
    const before = describeTree(tree);
    execFileSync('mount', ['-t', 'tmpfs', 'none', join(tree, 'mounted')]);
    try {
      writeFileSync(join(tree, 'mounted/inside'), '');
      await unpackRoot(tree, back);
    } finally {
      execFileSync('umount', [join(tree, 'mounted')]);
    }
    expect(readdirSync(join(back, 'mounted'))).toEqual([]);
    expect(describeTree(back).filter((line) => !line.startsWith('"/mounted"'))).toEqual(
      before.filter((line) => !line.startsWith('"/mounted"')),
    );
  }));
