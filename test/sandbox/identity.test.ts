import {describe, expect, test} from '@jest/globals';
import {capabilityMask, DEFAULT_CAPABILITIES} from '../../src/sandbox/capabilities.ts';
import type {SandboxSpec} from '../../src/sandbox/spec.ts';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {end, runIn, sandbox, start, upperOf} from './sandbox.ts';

/** The lines of /proc/self/status inside, by name. */
function parse(stdout: string): Record<string, string> {
  const lines = Array.from(stdout.matchAll(/^(\w+):[ \t]*(.*?)[ \t]*$/gm));
  return Object.fromEntries(lines.map(([, name = '', value = '']): [string, string] => [name, value]));
}

async function statusOf(changes: Partial<SandboxSpec>): Promise<Record<string, string>> {
  return parse((await runIn(['cat', '/proc/self/status'], changes)).stdout);
}

const mask = (set: Parameters<typeof capabilityMask>[0]) =>
  capabilityMask(set).toString(16).padStart(16, '0');
const NONE = mask([]);

describe('capabilities', () => {
  const DEFAULT = mask(DEFAULT_CAPABILITIES);
  const ids = (uid: number, gid = uid) => ({
    Uid: Array(4).fill(uid).join('\t'),
    Gid: Array(4).fill(gid).join('\t'),
  });
  const held = (set: string) => ({
    CapPrm: set,
    CapEff: set,
    CapBnd: set,
    CapInh: NONE,
    CapAmb: NONE,
    NoNewPrivs: '1',
  });
  const bounded = (set: string) => ({...held(NONE), CapBnd: set});

  test.each<[Partial<SandboxSpec>, Record<string, string>]>([
    [{}, {...ids(0), ...held(DEFAULT), Groups: '', Seccomp: '2'}],
    [{user: '1000:50'}, {...ids(1000, 50), ...bounded(DEFAULT), Groups: '50'}],
    [{user: 'daemon'}, {...ids(1), ...bounded(DEFAULT)}],
    [{capabilities: {add: [], drop: ['all']}}, {...ids(0), ...held(NONE)}],
    [
      {capabilities: {add: [], drop: ['all']}, user: 'daemon'},
      {...ids(1), ...bounded(NONE)},
    ],
    [
      {capabilities: {add: ['cap_chown'], drop: ['ALL']}, user: '0:7'},
      {...ids(0, 7), ...held(mask(['CHOWN']))},
    ],
    [
      {capabilities: {add: ['NET_ADMIN'], drop: ['SETUID', 'Cap_SetPCap']}},
      held(
        mask([...DEFAULT_CAPABILITIES.filter((name) => !['SETUID', 'SETPCAP'].includes(name)), 'NET_ADMIN']),
      ),
    ],
  ])('%j', async (changes, expected) => {
    expect(await statusOf(changes)).toMatchObject(expected);
  });

  test('privileged: all that we have, and no filter', async () => {
    const inside = await statusOf({privileged: true});
    expect(BigInt(`0x${inside['CapEff'] ?? ''}`) & capabilityMask(['SYS_ADMIN', 'NET_RAW'])).not.toBe(0n);
    expect(inside['Seccomp']).toBe('0');
  });
});

test('a user has the supplementary groups that the root gives it, and its home', async () => {
  const spec = await sandbox(['sh', '-c', 'id -u; id -g; id -G; echo $HOME $USER $SHELL']);
  mkdirSync(join(upperOf(spec), 'etc'));
  writeFileSync(
    join(upperOf(spec), 'etc/passwd'),
    'root:x:0:0::/root:/bin/sh\njoe:x:1234:1235::/home/joe:/bin/dash\n',
  );
  writeFileSync(
    join(upperOf(spec), 'etc/group'),
    'root:x:0:\njoe:x:1235:\na:x:40:ann,joe\nb:x:41:joe\nc:x:42:\n',
  );
  const {stdout} = await end(start({...spec, user: 'joe'}));
  expect(stdout).toBe('1234\n1235\n1235 40 41\n/home/joe joe /bin/dash\n');
});

test('the switch of user asks no name service of the root', async () => {
  // A user called "1000" would be taken for the number, and a service's module be loaded, by getpwnam(3).
  const spec = await sandbox(['id', '-u'], {user: '1000'});
  mkdirSync(join(upperOf(spec), 'etc'));
  writeFileSync(join(upperOf(spec), 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nzed:x:1000:5::/:/bin/sh\n');
  writeFileSync(join(upperOf(spec), 'etc/nsswitch.conf'), 'passwd: evil\n');
  expect((await end(start(spec))).stdout).toBe('1000\n');
});
