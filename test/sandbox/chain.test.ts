/** The chain's links, each on its own. */
import {expect, test} from '@jest/globals';
import fc from 'fast-check';
import {spawnSync} from 'node:child_process';
import {readdirSync} from 'node:fs';
import {messageOf} from '../../src/errors.ts';
import {innerScript} from '../../src/sandbox/chain.ts';
import {launch} from '../../src/sandbox/launch.ts';
import {outerWords} from '../../src/sandbox/outer-program.ts';
import {mountArguments} from '../../src/system/mount-plan.ts';
import {CACHE, runIn, sandbox, sh, start, end} from './sandbox.ts';

test('words and variables come out of the innermost script as they went in', () => {
  // Without the handshake, for which there is nobody here.
  const run = (script: string): string => {
    const {stdout, stderr, status} = spawnSync('sh', ['-c', 'exec 4</dev/null 5>&1; exec sh'], {
      input: script.replace(/^echo .* read -r .*$/m, ':'),
      encoding: 'utf8',
      env: {},
    });
    if (status !== 0) throw new Error(stderr + stdout);
    return stdout;
  };
  const text = fc
    .string({unit: 'binary', maxLength: 40})
    .map((value) => value.replaceAll('\0', '').toWellFormed());
  fc.assert(
    fc.property(fc.array(text, {maxLength: 5}), text, (words, value) => {
      const shown = run(innerScript({A: value}, ['/usr/bin/printf', '%s\\0', ...words, '/end']));
      expect(shown).toBe([...words, '/end'].map((word) => `${word}\0`).join(''));
      expect(run(innerScript({A: value}, ['/usr/bin/printenv', '-0', 'A']))).toBe(`${value}\0`);
    }),
    {numRuns: 60},
  );
});

test('a processor whose system calls are not known is refused', () => {
  expect(() => outerWords({architecture: 'vax'})).toThrow(/vax/);
  for (const known of ['x64', 'arm64', 'riscv64', 's390x'])
    expect(outerWords({architecture: known, enters: true})[2]).not.toMatch(/[A-Z]{4,}\(/);
});

test('a bind mount gets what it cannot have at once by calls of their own', () => {
  expect(mountArguments({options: ['bind', 'ro', 'private']})).toEqual([
    {flags: 4096, data: ''},
    {flags: 4096 | 32 | 1, data: ''},
    {flags: 1 << 18, data: ''},
  ]);
  expect(mountArguments({options: ['ro', 'index=off', 'lowerdir=a:b']})).toEqual([
    {flags: 1, data: 'index=off,lowerdir=a:b'},
  ]);
});

test('a mount that is busy is tried again, and the sandbox is none the worse', async () => {
  const spec = await sandbox(sh('echo ran'));
  if (!('plan' in spec.root)) throw new Error('a plan was expected');
  // The same upper directory is in use: overlayfs with an index says that it is busy.
  const options = spec.root.plan.options.map((option) => (option === 'index=off' ? 'index=on' : option));
  const root = {...spec.root, plan: {...spec.root.plan, options, contended: true}};
  const holder = start({...spec, root, command: sh('echo up; sleep 1')});
  await new Promise((resolve) => holder.stdout?.once('data', resolve));
  const [first, second] = await Promise.all([end(holder), end(start({...spec, root}))]);
  expect([first.code, second.stdout]).toEqual([0, 'ran\n']);
});

test('what process 1 inside shows is nothing of the host', async () => {
  const {stdout} = await runIn(
    sh(
      'tr "\\0" "\\n" </proc/1/environ; echo; tr "\\0" " " </proc/1/cmdline; echo; (echo x >/proc/1/exe) 2>&1',
    ),
    {
      env: {TOKEN: 'secret', LANG: 'C.UTF-8'},
      volumes: [{source: '/usr/share', target: '/v', readOnly: true}],
    },
    {env: {HOST_SECRET: 'secret', PATH: `${process.env['PATH'] ?? ''}:/secret/bin`}},
  );
  expect(stdout).not.toMatch(/secret|share|overlay|upper/);
  expect(stdout).toMatch(/^\n(?:bwrap|chrootctl reap) .*\n.*Read-only file system\n$/);
});

test('no word of the caller is a word of a program of ours', async () => {
  const spec = await sandbox(sh('echo up; read _'), {
    env: {TOKEN: 'tell-tale-1', 'my.token': 'x', LANG: 'C'},
  });
  const child = start(spec);
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  const seen = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => spawnSync('cat', [`/proc/${pid}/cmdline`], {encoding: 'utf8'}).stdout)
    .filter((line) => line.includes('tell-tale-1'));
  await end(child);
  expect(seen).toEqual([]);
});

test('as many words as the kernel takes', async () => {
  const words = Array.from({length: 60_000}, (_, index) => String(index));
  const {stdout} = await runIn(['sh', '-c', 'echo $#', 'sh', ...words]);
  expect(stdout).toBe('60000\n');
});

test('why a sandbox could not be set up is told however late we come to hear of it', async () => {
  const told: unknown[] = [];
  for (let blocked = 0; blocked < 40; blocked++) {
    const spec = await sandbox(['true'], {workdir: '/proc/not-there'});
    const busy = setInterval(() => {
      for (const end = Date.now() + (blocked % 20); Date.now() <= end;);
    }, 1);
    told.push(await launch(spec, {stdio: 'ignore', cacheDirectory: CACHE}).catch(messageOf));
    clearInterval(busy);
  }
  expect(told).toEqual(told.map(() => expect.stringContaining('/proc/not-there')));
});
