import {expect, test} from '@jest/globals';
import fc from 'fast-check';
import {execFileSync} from 'node:child_process';
import {mkdirSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {resolveUser} from '../../src/sandbox/users.ts';
import {parseGroup, parsePasswd} from '../../src/system/accounts.ts';
import {temporaryDirectory} from '../temporary.ts';

function rootWith(files: Record<string, string>) {
  const root = temporaryDirectory();
  mkdirSync(join(root, 'etc'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, 'etc', name), text);
  return [{target: '/', layers: [root]}];
}

const FILES = {
  passwd:
    'root:x:0:0:root:/root:/bin/bash\njoe:x:1000:1001::/home/joe:\n# comment\n+::::::\n1500:x:1600:1::/:/bin/sh\n',
  group: 'root:x:0:\njoe:x:1001:\nvideo:x:44:joe,ann\naudio:x:29:joe\n',
};

test.each([
  [undefined, {uid: 0, gid: 0, groups: [], name: 'root', home: '/root', shell: '/bin/bash'}],
  ['joe', {uid: 1000, gid: 1001, groups: [29, 44], name: 'joe', home: '/home/joe', shell: '/bin/sh'}],
  ['1000', {uid: 1000, gid: 1001, groups: [29, 44], name: 'joe'}],
  ['joe:video', {uid: 1000, gid: 44, groups: []}],
  ['joe:7', {uid: 1000, gid: 7, groups: []}],
  ['4321', {uid: 4321, gid: 0, groups: [], name: '', home: '/'}],
  ['4321:5', {uid: 4321, gid: 5, groups: []}],
  // A name wins over a number.
  ['1500', {uid: 1600, gid: 1}],
])('%s', (spec, account) => {
  expect(resolveUser(rootWith(FILES), spec)).toMatchObject(account);
});

test.each(['ann', 'joe:nobody', '-1', '4294967295', '99999999999', ' joe'])('%j is refused', (spec) => {
  expect(() => resolveUser(rootWith(FILES), spec)).toThrow(expect.objectContaining({code: 'FAILED'}));
});

test('a root without accounts has root and numbers', () => {
  expect(resolveUser(rootWith({}))).toMatchObject({uid: 0, home: '/root'});
  expect(resolveUser(rootWith({}), '5:6')).toMatchObject({uid: 5, gid: 6});
});

test('a passwd that is a link to the host is looked for inside', () => {
  const views = rootWith({});
  symlinkSync('/../../../../../../../etc/passwd.elsewhere', join(views[0]!.layers[0]!, 'etc/passwd'));
  writeFileSync(join(views[0]!.layers[0]!, 'etc/passwd.elsewhere'), 'only:x:9:9::/:/bin/sh\n');
  expect(resolveUser(views, 'only').uid).toBe(9);
});

test.each(['fifo', 'device', 'directory', 'huge'])('a passwd that is a %s is refused', (kind) => {
  const views = rootWith({});
  const path = join(views[0]!.layers[0]!, 'etc/passwd');
  if (kind === 'fifo') execFileSync('mkfifo', [path]);
  else if (kind === 'device') execFileSync('mknod', [path, 'c', '1', '5']);
  else if (kind === 'directory') mkdirSync(path);
  else execFileSync('truncate', ['--size', '1T', path]);
  expect(() => resolveUser(views, 'joe')).toThrow(
    expect.objectContaining({code: 'FAILED', message: expect.stringContaining('/etc/passwd')}),
  );
});

test('no text makes the parsers fail, and ids are what the kernel takes', () => {
  fc.assert(
    fc.property(fc.string({unit: fc.constantFrom(':', '\n', ',', '0', '9', 'a', '-', ' ')}), (text) => {
      for (const {uid, gid} of parsePasswd(text)) expect(Math.max(uid, gid)).toBeLessThan(2 ** 32 - 1);
      for (const {gid} of parseGroup(text)) expect(gid).toBeGreaterThanOrEqual(0);
    }),
  );
});
