/** What the supervisor does when it is asked for a system call, beside the program that does it where there is none. */
import {afterEach, beforeEach, describe, expect, test} from '@jest/globals';
import {execFileSync, spawnSync} from 'node:child_process';
import {closeSync, mkdirSync, openSync, readdirSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {callWords, type Call} from '../../src/system/calls.ts';
import {installedIn, supervisorProgram} from '../../src/system/installed.ts';
import {tryLock} from '../../src/system/lock.ts';
import {attemptAtOnce} from '../../src/system/programs.ts';
import {WriteBack} from '../../src/system/write-back.ts';
import {CHECKOUT} from '../cli/chrootctl.ts';
import {cleanUp, temporaryDirectory} from '../temporary.ts';

const WAYS = [
  ['by the supervisor', join(CHECKOUT, 'dist')],
  ['by another program', undefined],
] as const;

describe.each(WAYS)('%s', (_way, place) => {
  let directory: string;
  beforeEach(() => {
    installedIn(place);
    expect(supervisorProgram() !== undefined).toBe(place !== undefined);
    directory = temporaryDirectory();
  });
  afterEach(cleanUp);

  test('a lock is taken, is shared, or is another’s', () => {
    const path = join(directory, 'file');
    writeFileSync(path, '');
    const [one, other, third] = [path, path, path].map((each) => openSync(each, 'r'));
    expect(tryLock(one ?? -1, 'shared')).toBe(true);
    expect(tryLock(other ?? -1, 'shared')).toBe(true);
    expect(tryLock(third ?? -1, 'exclusive')).toBe(false);
    for (const fd of [one, other]) closeSync(fd ?? -1);
    expect(tryLock(third ?? -1, 'exclusive')).toBe(true);
    closeSync(third ?? -1);
  });

  test('a mount goes; what is none is told', () => {
    execFileSync('mount', ['-t', 'tmpfs', 'none', directory]);
    writeFileSync(join(directory, 'within'), '');
    const unmount = (): ReturnType<typeof attemptAtOnce> =>
      made(['unmount', directory], ['umount', '--', directory]);
    expect(unmount()).toMatchObject({code: 0, stderr: ''});
    expect(readdirSync(directory)).toEqual([]);
    const again = unmount();
    expect(again.code).not.toBe(0);
    expect(again.stderr).toMatch(/^umount: .*(not mounted|Invalid argument)/);
  });

  test('times are taken over to the nanosecond', () => {
    const [from, to] = ['from', 'to'].map((name) => join(directory, name));
    for (const path of [from, to]) writeFileSync(path ?? '', '');
    execFileSync('touch', ['-d', '2001-02-03 04:05:06.123456789', from ?? '']);
    utimesSync(to ?? '', 0, 0);
    const {code} = made(
      ['times', from ?? '', to ?? ''],
      ['touch', '--no-create', `--reference=${from}`, '--', to ?? ''],
    );
    expect(code).toBe(0);
    expect(statSync(to ?? '', {bigint: true}).mtimeNs % 1_000_000_000n).toBe(123_456_789n);
  });

  test('a tree is looked through however deep it is, and what else is in it', async () => {
    // Deeper than there may be open files, with paths longer than a call takes.
    const program =
      'for (1 .. 1200) { mkdir "dddddd"; chdir "dddddd" or die; open F, ">", "file"; print F "x" }';
    execFileSync('perl', ['-e', program], {cwd: directory});
    for (const name of ['a b', 'new\nline', 'é']) writeFileSync(join(directory, name), name);
    mkdirSync(join(directory, 'empty'));
    execFileSync('mkfifo', [join(directory, 'fifo')]);
    execFileSync('ln', ['-s', '/nowhere', join(directory, 'link')]);
    const written = new WriteBack(directory);
    await written.sync([{tree: directory, since: 0}]);
    await expect(written.sync([{tree: join(directory, 'missing'), since: 0}])).rejects.toThrow(
      /cannot sync the file system: .*missing: No such file/,
    );
    written.close();
    execFileSync('rm', ['-rf', join(directory, 'dddddd')]);
  });
});

function made(call: Call, otherwise: [string, ...string[]]): ReturnType<typeof attemptAtOnce> {
  const [file, ...args] = callWords(call, () => otherwise);
  return attemptAtOnce(file, args);
}

test('who asks for what it does not know is told so', () => {
  const program = join(CHECKOUT, 'dist', 'native', `supervisor-${process.arch}`);
  for (const words of [['nothing', '1'], ['lock'], ['times', 'one'], ['sync', 'no colon']])
    expect(spawnSync(program, ['call', ...words]).status).toBe(2);
  expect(spawnSync(program, ['call', 'lock-now', 'x'], {encoding: 'utf8'})).toMatchObject({
    status: 1,
    stderr: 'chrootctl: it was told what it cannot read\n',
  });
});
