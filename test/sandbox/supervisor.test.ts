/** What the supervisor makes of what it is told, whatever that is. */
import {expect, test} from '@jest/globals';
import fc from 'fast-check';
import {execFileSync, spawnSync} from 'node:child_process';
import {readlinkSync} from 'node:fs';
import {join} from 'node:path';
import {LENGTH, listed, outerInput, type Outer} from '../../src/sandbox/outer.ts';
import {childrenOf} from '../../src/sandbox/processes.ts';
import {end, eventually, INSTALLED, sandbox, start} from './sandbox.ts';
import {insideInput} from '../../src/sandbox/inside.ts';
import {temporaryDirectory} from '../temporary.ts';
import {buildWithSanitizers, compileWithSanitizers} from './with-sanitizers/build.ts';

const program = join(buildWithSanitizers(), 'native', `supervisor-${process.arch}`);

/** Of a parent that is nobody's, so that nothing comes of it. */
const OUTER: Outer = {
  parent: 0,
  hasLifeline: false,
  groups: ['/sys/fs/cgroup/one'],
  detach: ['/mnt'],
  mount: undefined,
  ownNetwork: false,
  ownSys: true,
  root: '/root',
  directories: ['/etc'],
  files: [{path: '/etc/hosts', content: 'text'}],
  ulimits: [{resource: 7, soft: 10, hard: -1}],
  measured: false,
  made: [
    {number: 4, end: 'reading'},
    {number: 1, end: 'writing'},
    {number: 5, end: {sharedWith: 1}},
  ],
  terminal: '',
  pipes: {owner: 0, numbers: []},
  filter: undefined,
  options: ['--unshare-pid'],
  command: ['/bin/true'],
  entrance: undefined,
};

/** The same for a command that comes into a sandbox that is held. */
const ENTERING: Outer = {
  ...OUTER,
  options: [],
  command: [],
  entrance: {
    holder: {pid: 1, started: '1'},
    workdir: '/root',
    terminal: '',
    isPrivileged: false,
    newPrivileges: false,
    held: ['CHOWN', 'SETUID'],
  },
};

/** Its descriptors are as they are in the end, so that nothing has to change its place. */
const WAITING = ['0', '2', '1', '0', '2', '7', '400'];

const WAYS = [
  ['to wait for a command', WAITING, OUTER],
  ['to wait for one that enters', WAITING, ENTERING],
  ['to hold a sandbox', ['hold', '400', '0', '/root'], OUTER],
] as const;

function tell(words: readonly string[], input: Buffer): {status: number | null; stderr: string} {
  const {status, stderr} = spawnSync(program, words, {
    input,
    encoding: 'utf8',
    env: {ASAN_OPTIONS: 'detect_leaks=0'},
  });
  return {status, stderr};
}

const NOTHING = {status: 1, stderr: ''};
const SENSELESS = {status: 1, stderr: 'chrootctl: it was told what it cannot read\n'};

/** Some bytes of it, and what they become. */
function changesIn(whole: Buffer): fc.Arbitrary<[at: number, byte: number][]> {
  const byte = fc.oneof(fc.constantFrom(0, 1, 4, 127, 255), fc.nat(255));
  return fc.array(fc.tuple(fc.nat(whole.length - 1), byte), {minLength: 1, maxLength: 8});
}

test.each(WAYS)('what is meant for the child of another process is not done: %s', (_way, words, outer) => {
  expect(tell(words, outerInput(outer, 7))).toEqual(NOTHING);
});

test.each(WAYS)(
  'whatever it is told %s, it reads nothing but that',
  (_way, words, outer) => {
    const whole = outerInput(outer, 7);
    const sized = (bytes: Uint8Array): Buffer => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return Buffer.concat([length, bytes]);
    };
    const changed = changesIn(whole).map((changes) => {
      const result = Buffer.from(whole);
      for (const [at, byte] of changes) result[at] = byte;
      // The parent stays nobody's.
      whole.copy(result, 8, 8, 17);
      return result;
    });
    const cut = fc.nat(whole.length).map((length) => whole.subarray(0, length));
    const random = fc.uint8Array({maxLength: 300}).map(sized);
    const lists = fc
      .array(fc.uint8Array({maxLength: 20}).map(sized), {maxLength: 20})
      .map((parts) => sized(Buffer.concat(parts)));
    fc.assert(
      fc.property(fc.oneof(changed, cut, random, lists), (input) => {
        const {status, stderr} = tell(words, input);
        expect({status, stderr: stderr.replace(/^memory: Cannot allocate memory$/m, '').trim()}).toEqual({
          status: 1,
          stderr: expect.stringMatching(/^(?:chrootctl: it was told what it cannot read)?$/),
        });
      }),
      {numRuns: 200},
    );
    expect(tell(words, sized(Buffer.alloc(0)))).toEqual(SENSELESS);
  },
  300_000,
);

/** The same for one that succeeds: in a mount namespace of its own, and nothing that it could mount, run or remove. */
function tellByEnvironment(input: Buffer): {status: number | null; stderr: string} {
  const text = input.toString('base64url');
  const {status, stderr} = spawnSync('unshare', ['--mount', program], {
    encoding: 'utf8',
    env: {
      ASAN_OPTIONS: 'detect_leaks=0',
      CHROOTCTL_TOLD_0: text.slice(0, 99),
      CHROOTCTL_TOLD_1: text.slice(99),
    },
  });
  return {status, stderr};
}

test('whatever it is told by its environment, it reads nothing but that', () => {
  const outer = outerInput(OUTER, 7).subarray(LENGTH);
  const whole = listed([
    outer,
    'script',
    listed([1000, 256, '/nonexistent/record', '{}']),
    listed([100]),
    listed(['/nonexistent', 'name', 'name.gone', listed(['fs', 'volume.json']), 10, '', '']),
    listed(['/nonexistent/program', 'chrootctl']),
  ]);
  // Without namespaces of its own nothing is made.
  const spaces = whole.indexOf(String(0x20020000));
  whole.write('0'.repeat(9), spaces);
  const senseless = {status: 125, stderr: SENSELESS.stderr};
  expect(tellByEnvironment(whole)).toEqual(senseless);
  const random = fc.uint8Array({maxLength: 300}).map((bytes) => Buffer.from(bytes));
  const cut = fc.nat(whole.length - 1).map((length) => whole.subarray(0, length));
  const changed = changesIn(whole).map((changes) => {
    const result = Buffer.from(whole);
    for (const [place, byte] of changes) result[place] = byte;
    whole.copy(result, spaces, spaces, spaces + 9);
    return result;
  });
  fc.assert(
    fc.property(fc.oneof(changed, cut, random), (input) => {
      const {status, stderr} = tellByEnvironment(input);
      expect([status, stderr]).toEqual([
        125,
        expect.stringMatching(
          /^(?:memory: Cannot allocate memory|chrootctl: it was told what it cannot read)\n$/,
        ),
      ]);
    }),
    {numRuns: 400},
  );
}, 300_000);

test('it is in the build, static, and what starts a command', async () => {
  const built = join(INSTALLED, 'native', `supervisor-${process.arch}`);
  expect(execFileSync('readelf', ['--program-headers', built], {encoding: 'utf8'})).not.toMatch(
    /INTERP|DYNAMIC/,
  );
  const child = start(await sandbox(['sleep', '100']));
  const isThere = await eventually(() =>
    childrenOf(child.pid ?? 0).some((pid) => readlinkSync(`/proc/${pid}/exe`) === built),
  );
  expect(isThere).toBe(true);
  child.kill('SIGKILL');
  await end(child);
});

test('without its words it does nothing', () => {
  expect(spawnSync(program, [], {encoding: 'utf8'})).toMatchObject({status: 2, stderr: ''});
});

test('whatever the innermost link is told, it reads nothing but that', () => {
  const inside = join(temporaryDirectory(), 'inside');
  compileWithSanitizers('inside', inside);
  const account = {uid: 0, gid: 0, groups: [], name: 'root', home: '/', shell: '/bin/sh'};
  const whole = insideInput({
    account,
    capabilities: ['CHOWN'],
    env: {A: '1', PATH: '/none'},
    command: ['nope', 'x'],
  });
  const sized = (bytes: Uint8Array): Buffer => listed([Buffer.from(bytes)]);
  const cut = fc.nat(whole.length - 1).map((length) => whole.subarray(0, length));
  const changed = changesIn(whole).map((changes) => {
    const result = Buffer.from(whole);
    for (const [at, byte] of changes) result[at] = byte;
    return result;
  });
  const random = fc.uint8Array({maxLength: 300}).map(sized);
  fc.assert(
    fc.property(fc.oneof(changed, cut, random), (input) => {
      // Nobody answers, so it does nothing of it.
      const {status, stderr} = spawnSync('sh', ['-c', 'exec "$0" 6</dev/null', inside], {
        input,
        encoding: 'utf8',
        env: {ASAN_OPTIONS: 'detect_leaks=0'},
      });
      expect({status, stderr: stderr.trim()}).toEqual({
        status: 1,
        stderr: expect.stringMatching(
          /^(?:chrootctl: it was told what it cannot read|chrootctl: started|memory: Cannot allocate memory)?$/,
        ),
      });
    }),
    {numRuns: 300},
  );
}, 300_000);
