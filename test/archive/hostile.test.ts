import {gzipSync} from 'node:zlib';
import {lstatSync, mkdirSync, readFileSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Readable} from 'node:stream';
import {beforeAll, afterAll, describe, expect, test} from '@jest/globals';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {unpackRoot, type Source} from '../../src/archive/unpack.ts';
import {ChrootctlError} from '../../src/errors.ts';
import {hostileArchives} from './hostile.ts';
import {describe as describeTree, plantCanary} from './trees.ts';

let directory = '';
let canary = '';
let before: string[] = [];
const cases = hostileArchives('/CANARY');

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'hostile-'));
  canary = plantCanary(directory);
  before = describeTree(canary);
});
afterAll(() => rmSync(directory, {recursive: true, force: true}));

/** Unpacks, expects a refusal and that nothing outside has changed; leaves what was unpacked for a look. */
async function refused(source: Source, target: string): Promise<ChrootctlError> {
  mkdirSync(target);
  const around = readdirSync(directory).sort();
  const error: unknown = await unpackRoot(source, target).then(
    (done) => done,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ChrootctlError);
  expect(describeTree(canary)).toEqual(before);
  expect(readdirSync(directory).sort()).toEqual(around);
  return error as ChrootctlError;
}

/** No name in a tree is a whiteout of overlayfs. */
function hasWhiteout(root: string): boolean {
  return readdirSync(root, {recursive: true, encoding: 'utf8'}).some((name) => {
    const stat = lstatSync(join(root, name));
    return stat.isCharacterDevice() && stat.rdev === 0;
  });
}

describe.each(cases.map(({what}, index) => ({what, index})))('$what', ({index}) => {
  test.each(['file', 'stream', 'gzip'] as const)('is refused (%s)', async (way) => {
    const {bytes, names} = hostileArchives(canary)[index]!;
    const target = join(directory, `${index}-${way}`);
    const path = join(directory, `${index}-${way}.tar`);
    if (way !== 'stream') writeFileSync(path, way === 'gzip' ? gzipSync(bytes) : bytes);
    const error = await refused(way === 'stream' ? Readable.from([bytes]) : path, target);
    expect(error).toMatchObject({code: 'BAD_INPUT'});
    expect(error.exitCode).toBe(7);
    expect(error.hint).toBeTruthy();
    if (names !== undefined) expect(error.message).toContain(names);
    expect(hasWhiteout(target)).toBe(false);
  });
});

test('a terminal escape sequence in a name does not reach the message', async () => {
  const {entry, archive} = await import('./tar-bytes.ts');
  const path = join(directory, 'escape.tar');
  writeFileSync(path, archive(entry({name: '/\x1b[2Jx\ny'})));
  const {message} = await refused(path, join(directory, 'escape'));
  // eslint-disable-next-line no-control-regex
  expect(message).not.toMatch(/[\x00-\x1f]/);
});

test('attributes of overlayfs in an archive are not restored', async () => {
  const {directory: dir, archive, pax, file} = await import('./tar-bytes.ts');
  const {execFileSync} = await import('node:child_process');
  const target = join(directory, 'xattrs');
  mkdirSync(target);
  const attribute = (name: string): [string, string] => [`SCHILY.xattr.${name}`, 'y'];
  const path = join(directory, 'xattrs.tar');
  writeFileSync(
    path,
    archive(
      dir('./'),
      pax([attribute('trusted.overlay.opaque'), attribute('user.overlay.opaque'), attribute('user.kept')]),
      dir('d/'),
      pax([attribute('trusted.overlay.redirect'), attribute('trusted.other')]),
      file('f'),
    ),
  );
  await unpackRoot(path, target);
  const found = execFileSync('getfattr', ['-R', '-h', '-d', '-m', '-', '.'], {cwd: target, encoding: 'utf8'});
  expect(found).toContain('user.kept');
  expect(found).not.toMatch(/overlay|trusted/);
  expect(readFileSync(join(target, 'f'), 'utf8')).toBe('contents\n');
});

test('the size once decompressed is bounded', async () => {
  const {archive, entry} = await import('./tar-bytes.ts');
  const bomb = gzipSync(archive(entry({name: 'zeros', body: Buffer.alloc(8 << 20)})));
  const target = join(directory, 'bomb');
  mkdirSync(target);
  const unpacking = unpackRoot(Readable.from([bomb]), target, {maxSize: 1 << 20});
  await expect(unpacking).rejects.toMatchObject({
    code: 'BAD_INPUT',
    message: expect.stringContaining(String(1 << 20)),
  });
});
