/** Everything that a root file system may hold and that copying tends to lose. */
import {execFileSync} from 'node:child_process';
import {
  chmodSync,
  chownSync,
  ftruncateSync,
  closeSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {join} from 'node:path';

/** Colons, commas and backslashes are what mount options are made of. */
const NAMES = [
  'two\nlines',
  ' spaces ',
  '-leading-dash',
  '--version',
  'colon:comma,back\\slash',
  '#hash',
  'l'.repeat(250),
  'ünï',
  '*?[a]$(x)`y`\'"',
  '\\012',
];

export async function makeOddTree(root: string): Promise<void> {
  for (const name of NAMES) writeFileSync(join(root, name), name);
  const odd = join(root, 'dir\nwith:odd,name');
  mkdirSync(odd);
  for (const name of NAMES) writeFileSync(join(odd, name), name);
  writeFileSync(Buffer.concat([Buffer.from(`${odd}/`), Buffer.from([0xff, 0xfe, 0x80, 0x20])]), 'not UTF-8');
  mkdirSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xc3, 0x28])]));

  const links = join(root, 'links');
  mkdirSync(links);
  writeFileSync(join(links, 'one'), 'linked');
  linkSync(join(links, 'one'), join(links, 'two'));
  linkSync(join(links, 'one'), join(odd, 'three'));
  symlinkSync('/absolute/../nowhere', join(links, 'absolute'));
  symlinkSync('../links/one', join(links, 'relative'));
  symlinkSync('x'.repeat(1000), join(links, 'long'));
  linkSync(join(links, 'long'), join(links, 'long too'));
  lutimesSync(join(links, 'absolute'), 86_400, 86_400);

  const special = join(root, 'special');
  mkdirSync(special);
  execFileSync('mknod', ['-m', '666', join(special, 'null'), 'c', '1', '3']);
  execFileSync('mknod', ['-m', '640', join(special, 'disk'), 'b', '259', '70000']);
  execFileSync('mkfifo', ['-m', '620', join(special, 'fifo')]);

  const attributes = join(root, 'attributes');
  mkdirSync(attributes);
  for (const name of ['setuid', 'setgid', 'user', 'capable', 'acl', 'old'])
    writeFileSync(join(attributes, name), name);
  mkdirSync(join(attributes, 'default-acl'));
  mkdirSync(join(attributes, 'sticky'));
  chownSync(join(attributes, 'setuid'), 1234, 4_000_000_000);
  chmodSync(join(attributes, 'setuid'), 0o4711);
  chmodSync(join(attributes, 'setgid'), 0o2755);
  chmodSync(join(attributes, 'sticky'), 0o1777);
  chmodSync(join(attributes, 'old'), 0);
  const set = (path: string, name: string, value: string): void => {
    execFileSync('setfattr', ['-h', '-n', name, '-v', value, join(attributes, path)]);
  };
  set('user', 'user.empty', '');
  set('user', 'user.binary', '0x000aff5c3d');
  set('default-acl', 'user.directory', 'yes');
  set('sticky', 'trusted.kept', 'yes');
  // cap_net_raw+ep, as setcap(8) writes it: version 2, effective, one permitted set (capability.h).
  set('capable', 'security.capability', '0x0100000200200000000000000000000000000000');
  execFileSync('setfacl', ['-m', 'u:1001:rw,g:1002:r', join(attributes, 'acl')]);
  execFileSync('setfacl', ['-m', 'u:1001:rx,d:u:1001:rwx,d:g::r', join(attributes, 'default-acl')]);
  utimesSync(join(attributes, 'old'), -86_400, -86_400);

  const sparse = openSync(join(root, 'sparse'), 'w');
  writeSync(sparse, 'start');
  ftruncateSync(sparse, 1 << 26);
  writeSync(sparse, 'end', 1 << 25);
  closeSync(sparse);

  // Times of directories last: what is made in them changes them.
  execFileSync('touch', [
    '-h',
    '-d',
    '2001-02-03 04:05:06.123456789',
    links,
    special,
    join(attributes, 'sticky'),
  ]);
  return Promise.resolve();
}
