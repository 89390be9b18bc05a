/** A store shared with containers of systemd-nspawn, each of which has a boot id, processes and mounts of its own. */
import {afterEach, expect, test} from '@jest/globals';
import {once} from 'node:events';
import {mkdirSync, readdirSync, readFileSync, symlinkSync} from 'node:fs';
import {join} from 'node:path';
import {childrenOf} from '../../src/sandbox/processes.ts';
import {parseRecord, SessionRecord} from '../../src/store/records.ts';
import {self} from '../../src/system/identity.ts';
import {CHECKOUT, Cli, cleanUp, outcomeOf} from '../cli/chrootctl.ts';

afterEach(cleanUp);

let containers = 0;

/** Words that start something in a container, which has the host's programs and the store. */
function nspawn(cli: Cli): {through: string[]} {
  const name = `chrootctl-${process.pid}-${containers++}`;
  const root = join(cli.directory, name);
  for (const directory of ['usr', 'etc', 'tmp', 'run', 'proc', 'sys', 'dev', 'var', 'root'])
    mkdirSync(join(root, directory), {recursive: true});
  for (const directory of ['bin', 'sbin', 'lib', 'lib64'])
    symlinkSync(`usr/${directory}`, join(root, directory));
  const shown = ['/usr', '/etc', CHECKOUT].map((path) => `--bind-ro=${path}`);
  const environment = [`CHROOTCTL_ROOT=${cli.store}`, `PATH=${process.env['PATH'] ?? ''}`].map(
    (variable) => `--setenv=${variable}`,
  );
  // Nothing of systemd's needs to run.
  const options = ['--quiet', '--register=no', '--keep-unit', '--pipe', `--machine=${name}`];
  const words = [...options, `--directory=${root}`, ...shown, `--bind=${cli.store}`, ...environment];
  return {through: ['systemd-nspawn', ...words]};
}

function namesIn(cli: Cli, directory: string): string[] {
  return readdirSync(join(cli.store, directory));
}

const SLEEPING = ['--', 'sh', '-c', 'echo up; exec sleep 1000'];

test('runs and commits in them are told from here and from each other, and collected when they died', async () => {
  const cli = new Cli({driver: 'overlay'});
  await cli.importRoot();
  expect(await cli.call(['update', 'base', '--', 'touch', '/there'], nspawn(cli))).toMatchObject({code: 0});

  const running = cli.start(['run', 'base', ...SLEEPING], nspawn(cli));
  await once(running.stdout!, 'data');
  const [name = ''] = namesIn(cli, 'sessions');
  const {owner} = parseRecord(SessionRecord, readFileSync(join(cli.store, 'sessions', name), 'utf8'), name);
  expect(owner.boot).not.toBe(self().boot);
  for (const where of [{}, nspawn(cli)]) {
    expect(await cli.call(['gc'], where)).toMatchObject({code: 0, stdout: ''});
    const ps = JSON.parse((await cli.call(['ps', '--json'], where)).stdout) as {state: string}[];
    expect(ps).toMatchObject([{state: 'running'}]);
  }
  // It is process 1 there; systemd-nspawn itself may go without it.
  process.kill(childrenOf(running.pid!)[0]!, 'SIGKILL');
  await outcomeOf(running);
  expect(await cli.call(['gc'], nspawn(cli))).toMatchObject({code: 0});
  expect(namesIn(cli, 'sessions')).toEqual([]);
  expect(await cli.ok('run', 'base', '--', 'ls', '/there')).toBe('/there');
  expect(await cli.ok('doctor')).toBe('all is well');
});
