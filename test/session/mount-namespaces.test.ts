/** A kept session, used from several mount namespaces: its upper directory is mounted once, or nobody would know what is in it. */
import {afterEach, describe, expect, test} from '@jest/globals';
import {execFileSync, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {Cli, cleanUp, CONTAINER} from '../cli/chrootctl.ts';

afterEach(cleanUp);

const PRIVATE = ['unshare', '--mount', '--propagation', 'private'];

/** Begins the session `work` in a mount namespace of its own, in which a process waits then. */
async function begunIn(cli: Cli, through: readonly string[]): Promise<ChildProcess> {
  // What other tests have mounted is theirs to unmount.
  const others = `grep -o ' /tmp/[^ ]*' /proc/self/mountinfo | while read -r m; do umount -l "$m"; done`;
  const script = `${others}; "$@" >/dev/null && echo one >"$0/mnt/work/f" && echo up && read -r _`;
  const child = cli.start(['session', 'begin', 'base', '--name', 'work'], {
    through: [...through, 'sh', '-c', script, cli.store],
  });
  await once(child.stdout!, 'data');
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  await once(child, 'close');
}

const USES = [
  ['exec', 'work', '--', 'sh', '-c', 'echo two >>/f'],
  ['session', 'end', 'work', '--commit'],
  ['session', 'rm', '--force', 'work'],
];

test.each([
  [
    'that can be seen',
    PRIVATE,
    [],
    /at \S+ in the mount namespace of process \d+|volume \S+ is mounted at \S+ by/,
  ],
  ['of another container', CONTAINER, CONTAINER, /cannot be seen from here/],
])('in a mount namespace %s it is mounted until that is gone', async (_which, there, here, told) => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  const holder = await begunIn(cli, there);
  for (const args of USES) {
    const {code, stdout, stderr} = await cli.call(args, {through: here});
    expect({args, code, stdout, stderr}).toMatchObject({code: args[0] === 'exec' ? 125 : 5, stdout: ''});
    expect(stderr).toMatch(told);
  }
  expect(await cli.json('ps')).toMatchObject([{id: 'work', state: 'idle', root: null}]);
  // A copy can be taken, as under whoever works in a root on the host.
  expect(await cli.call(['commit', 'work'], {through: here})).toMatchObject({code: 0});
  expect(await cli.ok('run', 'base', '--', 'cat', '/f')).toBe('one');

  await end(holder);
  expect(await cli.call(['exec', 'work', '--', 'cat', '/f'], {through: here})).toMatchObject({
    stdout: 'one\n',
  });
  expect(await cli.call(['session', 'end', 'work', '--commit'], {through: here})).toMatchObject({code: 0});
  expect(await cli.ok('run', 'base', '--', 'cat', '/f')).toBe('one');
  expect(await cli.ok('doctor')).toBe('all is well');
});

test('a session is not frozen under a process that stands in a copy of its root', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const root = join(cli.store, 'mnt/work');
  const script = 'cd "$0" && echo up; read -r _; echo late >f; echo written; read -r _';
  const inside = cli.start([], {through: [...PRIVATE, 'sh', '-c', script, root]});
  await once(inside.stdout!, 'data');
  const {code, stderr} = await cli.call(['session', 'end', 'work', '--commit']);
  expect([code, stderr]).toEqual([5, expect.stringContaining('in a mount namespace')]);
  inside.stdin?.write('\n');
  await once(inside.stdout!, 'data');
  await end(inside);
  await cli.ok('session', 'end', 'work', '--commit');
  expect(await cli.ok('run', 'base', '--', 'cat', '/f')).toBe('late');
});

test('a copy of its root in which nobody is keeps no session from its use and its end', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const beside = cli.start([], {through: [...PRIVATE, 'sh', '-c', 'echo up; read -r _']});
  await once(beside.stdout!, 'data');
  await cli.ok('commit', 'work');
  await cli.ok('exec', 'work', '--', 'touch', '/f');
  execFileSync('umount', [join(cli.store, 'mnt/work')]);
  await cli.ok('exec', 'work', '--', 'ls', '/f');
  const again = cli.start([], {through: [...PRIVATE, 'sh', '-c', 'echo up; read -r _']});
  await once(again.stdout!, 'data');
  execFileSync('umount', [join(cli.store, 'mnt/work')]);
  await cli.ok('session', 'end', 'work');
  await end(again);
  await end(beside);
});

test('a root that was detached is mounted again when nobody is in it any more', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const root = join(cli.store, 'mnt/work');
  const inside = cli.start([], {through: ['sh', '-c', 'cd "$0" && echo up && read -r _', root]});
  await once(inside.stdout!, 'data');
  execFileSync('umount', ['--lazy', root]);
  expect((await cli.call(['exec', 'work', '--', 'true'])).stderr).toContain('cannot be seen from here');
  await end(inside);
  await cli.ok('exec', 'work', '--', 'true');
});

describe('on directory a version does not change, though somebody goes on writing in the root it was made of', () => {
  const places = {'from the host': [], 'from another container': CONTAINER};
  const commits = [
    ['commit', 'work'],
    ['session', 'end', 'work', '--commit'],
  ];
  const calls = Object.entries(places).flatMap(([where, here]) =>
    commits.map((args) => ({where, here, args})),
  );

  test.each(calls)('$where: $args', async ({here, args}) => {
    const cli = new Cli({driver: 'directory'});
    await cli.importRoot();
    await cli.ok('session', 'begin', 'base', '--name', 'work');
    const script = 'cd "$0" && echo early >f && echo up; read -r _; echo late >f; echo written; read -r _';
    const inside = cli.start([], {
      through: [...CONTAINER, 'sh', '-c', script, join(cli.store, 'mnt/work')],
    });
    await once(inside.stdout!, 'data');
    expect(await cli.call(args, {through: here})).toMatchObject({code: 0});
    inside.stdin?.write('\n');
    await once(inside.stdout!, 'data');
    expect(await cli.ok('run', 'base', '--', 'cat', '/f')).toBe('early');
    await end(inside);
    expect(await cli.ok('doctor')).toBe('all is well');
  });
});
