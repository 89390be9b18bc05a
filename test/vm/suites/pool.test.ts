/** What the driver and its tests take for granted: that these are real pools, in a machine that can do all of it. */
import {beforeEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {temporaryDirectory} from '../../temporary.ts';
import {temporaryPool, zfs} from './pool.ts';

let pool: string;
let directory: string;

beforeEach(() => {
  pool = temporaryPool();
  directory = temporaryDirectory();
  mkdirSync(join(directory, 'mnt'));
});

function mount(dataset: string, name = 'mnt'): string {
  const place = join(directory, name);
  mkdirSync(place, {recursive: true});
  execFileSync('mount', ['-t', 'zfs', dataset, place]);
  return place;
}

/** A dataset with a file, and a snapshot of it. */
function origin(): string {
  const dataset = `${pool}/origin`;
  zfs('create', '-o', 'mountpoint=legacy', dataset);
  const place = mount(dataset, 'origin');
  writeFileSync(join(place, 'file'), 'then');
  zfs('snapshot', `${dataset}@then`);
  writeFileSync(join(place, 'file'), 'now');
  return dataset;
}

test('the kernel part and the programs are of the same version', () => {
  const [programs, kernel] = zfs('version').split('\n');
  expect(kernel?.replace('zfs-kmod-', 'zfs-')).toBe(programs);
});

test('a clone has the state of its snapshot, is mounted like any file system, and can be promoted', () => {
  const dataset = origin();
  zfs('clone', '-o', 'mountpoint=legacy', `${dataset}@then`, `${pool}/clone`);
  expect(readFileSync(join(mount(`${pool}/clone`), 'file'), 'utf8')).toBe('then');
  zfs('promote', `${pool}/clone`);
  expect(zfs('get', '-Hp', '-o', 'value', 'origin', dataset)).toBe(`${pool}/clone@then`);
});

test('a snapshot can be mounted itself, and not be written', () => {
  const place = mount(`${origin()}@then`);
  expect(readFileSync(join(place, 'file'), 'utf8')).toBe('then');
  expect(() => writeFileSync(join(place, 'file'), 'changed')).toThrow(/EROFS/);
});

test('a channel program takes a snapshot and sets a property in one step', () => {
  const dataset = origin();
  const program = join(directory, 'program.lua');
  writeFileSync(
    program,
    `args = ...
    name, tag = args['argv'][1], args['argv'][2]
    assert(zfs.check.snapshot(name .. '@' .. tag) == 0)
    assert(zfs.check.set_prop(name, 'chrootctl:latest', tag) == 0)
    assert(zfs.sync.snapshot(name .. '@' .. tag) == 0)
    assert(zfs.sync.set_prop(name, 'chrootctl:latest', tag) == 0)`,
  );
  execFileSync('zfs', ['program', pool, program, dataset, 'next']);
  expect(zfs('get', '-H', '-o', 'value', 'chrootctl:latest', dataset)).toBe('next');
  expect(() => execFileSync('zfs', ['program', pool, program, dataset, 'next'], {stdio: 'ignore'})).toThrow();
  expect(zfs('list', '-H', '-t', 'snapshot', '-o', 'name', dataset).split('\n')).toEqual([
    `${dataset}@then`,
    `${dataset}@next`,
  ]);
});

test('two mount namespaces can mount one dataset at once, and it is the same', () => {
  const place = mount(origin());
  const script = 'mount -t zfs "$1" "$2" && cat "$2/file" && echo other >"$2/file"';
  const args = ['--mount', 'sh', '-c', script, 'sh', `${pool}/origin`, join(directory, 'elsewhere')];
  mkdirSync(join(directory, 'elsewhere'));
  expect(execFileSync('unshare', args, {encoding: 'utf8'})).toBe('now');
  expect(readFileSync(join(place, 'file'), 'utf8')).toBe('other\n');
  expect(readdirSync(join(directory, 'elsewhere'))).toEqual([]);
});

test('a pool can be exported and comes back with everything in it', () => {
  const dataset = origin();
  execFileSync('umount', [join(directory, 'origin')]);
  execFileSync('zpool', ['export', pool]);
  expect(() => zfs('list', dataset)).toThrow();
  execFileSync('zpool', ['import', '-N', pool]);
  expect(readFileSync(join(mount(dataset), 'file'), 'utf8')).toBe('now');
});
