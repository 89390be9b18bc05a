/** Volumes that a container was making, or deleting, when it died: from the next one they are collected and worked on. */
import {afterEach, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {once} from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import type {VolumeRecord} from '../../src/storage/on-disk/volume-record.ts';
import {Cli, cleanUp, CONTAINER, outcomeOf} from '../cli/chrootctl.ts';
import {eventually} from '../eventually.ts';

afterEach(cleanUp);

const there = {through: CONTAINER};

async function storeWithSession(driver: string): Promise<Cli> {
  const cli = new Cli({driver});
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  return cli;
}

/** A PATH on which a program never ends, for who makes a volume with it. */
function stuckAt(cli: Cli, program: string): {env: {PATH: string}; reached: () => boolean} {
  const directory = mkdtempSync(join(cli.directory, 'stuck-'));
  const file = join(directory, program);
  writeFileSync(file, `#!/bin/sh\ntouch '${directory}/reached'\nexec sleep 1000\n`);
  chmodSync(file, 0o755);
  return {
    env: {PATH: `${directory}:${process.env['PATH'] ?? ''}`},
    reached: () => existsSync(join(directory, 'reached')),
  };
}

/** Kills a container at the moment at which what is called in it starts a program. */
async function killedAt(
  cli: Cli,
  program: string,
  args: string[],
  through: readonly string[] = CONTAINER,
): Promise<void> {
  const {env, reached} = stuckAt(cli, program);
  const child = cli.start(args, {through, env});
  const ended = outcomeOf(child);
  expect(await eventually(reached)).toBe(true);
  child.kill('SIGKILL');
  await ended;
}

function volumesOf(cli: Cli): string[] {
  return readdirSync(join(cli.store, 'volumes')).filter((name) => name !== '.lock');
}

function recordOf(cli: Cli, volume: string): VolumeRecord {
  return JSON.parse(readFileSync(join(cli.store, 'volumes', volume, 'volume.json'), 'utf8')) as VolumeRecord;
}

/** The one that is half made. */
function halfMade(cli: Cli): string {
  const [volume] = volumesOf(cli).filter((name) => recordOf(cli, name).state === 'making');
  expect(volume).toBeDefined();
  return volume!;
}

test.each([
  ['a session whose commit copied it', true],
  ['a session that was to go on in a clone', false],
])('%s, in a container that died, goes on in another', async (_which, live) => {
  const cli = await storeWithSession('directory');
  const standing = ['sh', '-c', 'cd "$0/mnt/work" && "$@"; exit', cli.store];
  await killedAt(cli, 'cp', ['commit', 'work'], [...CONTAINER, ...(live ? standing : [])]);
  const left = halfMade(cli);
  expect(await cli.call(['exec', 'work', '--', 'touch', '/f'], there)).toMatchObject({code: 0, stderr: ''});
  expect(volumesOf(cli)).not.toContain(left);
  expect(await cli.call(['session', 'end', 'work', '--commit'], there)).toMatchObject({code: 0});
  expect(await cli.ok('run', 'base', '--', 'ls', '/f')).toBe('/f');
  expect(await cli.ok('doctor')).toBe('all is well');
});

/** The name under which a directory is made before it is a volume's. */
function temporaryOf({id, maker}: VolumeRecord): string {
  const {pid, started, boot, namespace, time = ''} = maker!;
  const [inner, clock] = [namespace, time].map((name) => name.replace(/\D/g, ''));
  return `${id}.${pid}-${started}-${inner}-${clock}-${boot.replaceAll('-', '')}.0.tmp`;
}

test.each(['its own', 'another'])(
  'what dead containers were making under %s name is collected in a third, and nothing of who is at work',
  async (which) => {
    const cli = await storeWithSession('directory');
    await killedAt(cli, 'cp', ['commit', 'work']);
    const left = halfMade(cli);
    // Another one, which nothing names any more.
    const orphan = left.split('').reverse().join('');
    const volumes = join(cli.store, 'volumes');
    execFileSync('cp', ['-a', join(volumes, left), join(volumes, orphan)]);
    const record = {...recordOf(cli, left), id: orphan, layers: [`${orphan}/fs`]};
    writeFileSync(join(volumes, orphan, 'volume.json'), JSON.stringify(record));

    const {env, reached} = stuckAt(cli, 'cp');
    const atWork = cli.start(['session', 'begin', 'base', '--name', 'other'], {...there, env});
    expect(await eventually(reached)).toBe(true);
    const others = volumesOf(cli).find(
      (name) => ![left, orphan].includes(name) && recordOf(cli, name).state === 'making',
    );
    const rename = (volume: string): string => {
      const name = temporaryOf(recordOf(cli, volume));
      renameSync(join(volumes, volume), join(volumes, name));
      return name;
    };
    const [theirs, ...dead] = [others!, left, orphan].map(which === 'another' ? rename : String);
    expect(await cli.call(['gc'], there)).toMatchObject({code: 0, stderr: ''});
    const after = volumesOf(cli);
    expect(after).toContain(theirs);
    for (const name of dead) expect(after).not.toContain(name);
    atWork.kill('SIGKILL');
    await outcomeOf(atWork);
    await cli.call(['gc'], there);
    expect(volumesOf(cli)).not.toContain(theirs);
    expect(await cli.ok('doctor')).toBe('all is well');
  },
);

test('a volume that is being deleted in a container is left to that as long as it lives', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  const {env, reached} = stuckAt(cli, 'rm');
  const script = '"$@" && echo ended && read -r _';
  // The supervisor has deleted some before it leaves the rest to chrootctl.
  const many = 'mkdir /many && cd /many && seq 20100 | busybox xargs touch';
  const container = cli.start(['run', 'base', '--', 'sh', '-c', many], {
    through: [...CONTAINER, 'sh', '-c', script, 'sh'],
    env,
  });
  await once(container.stdout!, 'data');
  expect(await eventually(reached)).toBe(true);
  const gone = (): string[] => volumesOf(cli).filter((name) => name.endsWith('.gone'));
  expect(gone()).toHaveLength(1);
  await cli.call(['gc'], there);
  expect(gone()).toHaveLength(1);
  container.kill('SIGKILL');
  await outcomeOf(container);
  await cli.call(['gc'], there);
  expect(gone()).toEqual([]);
});
