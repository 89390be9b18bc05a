/** What differs between any two things that have a root. */
import {describe, expect, test} from '@jest/globals';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {busyboxRoot, Cli} from './chrootctl.ts';
import {DRIVERS} from './drivers.ts';

interface Change {
  path: string;
  kind: string;
}

describe.each(DRIVERS)('on %s', (driver) => {
  test('diff tells what differs between images, versions and sessions of any of them', async () => {
    const cli = new Cli({driver});
    const [one, other] = [busyboxRoot(), busyboxRoot()];
    for (const [root, name] of [
      [one, 'one'],
      [other, 'other'],
    ] as const) {
      writeFileSync(join(root, 'etc', name), '');
      writeFileSync(join(root, 'etc/both'), name);
    }
    await cli.ok('import', one, 'one');
    const first = await cli.ok('import', other, 'other:1.0.0');
    await cli.ok('update', 'other', '--', 'touch', '/newer');
    const difference = [
      {path: '/etc/both', kind: 'changed'},
      {path: '/etc/one', kind: 'deleted'},
      {path: '/etc/other', kind: 'added'},
    ];
    const newer = {path: '/newer', kind: 'added'};
    expect(await cli.json('diff', 'one', 'other:1.0.0')).toEqual(difference);
    expect(await cli.json('diff', 'one:latest', `other@${first}`)).toEqual(difference);
    expect(await cli.json('diff', 'one', 'other')).toEqual([...difference, newer]);
    const swapped: Record<string, string> = {added: 'deleted', deleted: 'added', changed: 'changed'};
    expect(await cli.json('diff', 'other', 'one')).toEqual(
      [...difference, newer].map(({path, kind}) => ({path, kind: swapped[kind]})),
    );

    await cli.ok('session', 'begin', 'one', '--name', 'work');
    await cli.ok('exec', 'work', '--', 'touch', '/work');
    // The mount points that the sandbox has made are nobody's change, on either side.
    const work = (kind: string): Change => ({path: '/work', kind});
    expect(await cli.json('diff', 'work', 'other')).toEqual([...difference, newer, work('deleted')]);
    expect(await cli.json('diff', 'one', 'work')).toEqual([work('added')]);
    expect(await cli.json('diff', 'work', 'one')).toEqual([work('deleted')]);
    writeFileSync(join(other, 'etc/hosts'), 'one of its own');
    await cli.ok('import', other, 'hosts');
    expect(await cli.json('diff', 'hosts', 'work')).toContainEqual({path: '/etc/hosts', kind: 'deleted'});
    expect(await cli.json('diff', 'work', 'hosts')).toContainEqual({path: '/etc/hosts', kind: 'added'});

    // A first version of an image was made from one of another image.
    await cli.ok('commit', 'work', 'third');
    expect(await cli.json('diff', 'third')).toEqual([work('added')]);
    await cli.ok('session', 'end', 'work');
    await cli.ok('rm', '--force', 'one');
    const {code, stderr} = await cli.call(['diff', 'third']);
    expect([code, stderr]).toEqual([
      3,
      expect.stringMatching(/^chrootctl: the version that third was made from is gone .*\n {2}name two/),
    ]);
  });
});

test('however much differs, it takes no more memory', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  const root = await cli.ok('session', 'path', 'work');
  const deep = `/${'d'.repeat(250)}`.repeat(12);
  const paths: string[] = [];
  for (let part = 10; part < 20; part++) {
    mkdirSync(`${root}${deep}/${part}`, {recursive: true});
    for (let index = 1000; index < 1500; index++)
      paths.push(`${deep}/${part}/${String(index).padStart(250, 'f')}`);
  }
  for (const path of paths) writeFileSync(join(root, path), '');
  // All of the paths are 16 MB, and as one text again.
  const env = {NODE_OPTIONS: '--max-old-space-size=32'};
  const {code, stdout, stderr} = await cli.call(['diff', 'work', '--json'], {env});
  expect([code, stderr]).toEqual([0, '']);
  const changes = JSON.parse(stdout) as Change[];
  expect(stdout).toBe(`${JSON.stringify(changes, null, 2)}\n`);
  expect(changes.map(({path}) => path).filter((path) => path.includes('f'))).toEqual(paths);
});
