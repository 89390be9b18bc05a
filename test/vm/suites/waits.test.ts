/** What waits for the pool to finish a transaction group: as few as docs/zfs.md promises, and a plain run not at all. */
import {expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Cli} from '../../cli/chrootctl.ts';
import {zfs} from './pool.ts';

const TRACING = '/sys/kernel/tracing';
const ENTERED = 'txg_wait_synced_impl';

/** Sleeps of processes, not of the pool's own threads, until a transaction group has reached the disk. */
async function waitsOf(work: () => Promise<unknown>): Promise<number> {
  if (!existsSync(join(TRACING, 'trace')))
    execFileSync('mount', ['-t', 'tracefs', 'tracefs', TRACING], {stdio: 'ignore'});
  const set = (file: string, value: string): void => writeFileSync(join(TRACING, file), value);
  set('set_ftrace_filter', `${ENTERED} __cv_wait_io __cv_wait_io_sig`);
  set('current_tracer', 'function');
  set('trace', '');
  set('tracing_on', '1');
  try {
    await work();
  } finally {
    set('tracing_on', '0');
  }
  const entered = new Set<string>();
  let waits = 0;
  for (const line of readFileSync(join(TRACING, 'trace'), 'utf8').split('\n')) {
    const [, who = '', called = '', by = ''] = /^\s*(\S+)\s.*:\s(\S+) <-(\S+)/.exec(line) ?? [];
    if (who.startsWith('z_') || who.startsWith('txg_')) continue;
    if (called === ENTERED) entered.add(who);
    // Whoever is woken too early sleeps again: that is one wait.
    else if (by === ENTERED && entered.delete(who)) waits++;
  }
  set('current_tracer', 'nop');
  return waits;
}

test('a run that keeps nothing waits for no transaction group, and others for few', async () => {
  const cli = new Cli({driver: 'zfs'});
  await cli.importRoot('base');
  const waits = (...args: string[]): Promise<number> => waitsOf(() => cli.ok(...args));
  expect(await waits('run', 'base', '--', 'sh', '-c', 'echo new > /new; sync')).toBe(0);
  expect(await waits('run', '--clone', 'native', 'base', '--', 'touch', '/new')).toBeGreaterThan(1);
  expect(await waits('run', '--commit', 'base', '--', 'touch', '/one')).toBeLessThanOrEqual(3);
  expect(await waits('session', 'begin', 'base', '--name', 'work')).toBeLessThanOrEqual(2);
  await cli.ok('exec', 'work', '--', 'touch', '/two');
  expect(await waits('commit', 'work')).toBeLessThanOrEqual(5);
  expect(await waits('tag', 'base', 'good')).toBeLessThanOrEqual(1);
  expect(await waits('session', 'end', 'work')).toBeLessThanOrEqual(2);
}, 300_000);

test('what is thrown away is in the store, not in the pool, and nothing is left of it', async () => {
  const cli = new Cli({driver: 'zfs'});
  await cli.importRoot('base');
  const {dataset} = JSON.parse(readFileSync(join(cli.store, 'format.json'), 'utf8')) as {dataset: string};
  const volumes = (): string[] =>
    readdirSync(join(cli.store, 'volumes')).filter((name) => !name.startsWith('.'));
  const datasets = (): string => zfs('list', '-H', '-r', '-o', 'name', `${dataset}/volumes`);
  const before = datasets();
  const child = cli.start(['run', 'base', '--', 'sh', '-c', 'echo new > /new; echo begun; cat']);
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  expect([datasets(), volumes().length]).toEqual([before, 1]);
  const [run] = await cli.json<{size: number}[]>('ps', '--size');
  expect(run?.size).toBeGreaterThan(0);
  expect((await cli.call(['rm', '--force', 'base'])).stderr).toContain('is in use by session');
  expect(await cli.ok('doctor')).toBe('all is well');
  child.stdin?.end();
  await new Promise((resolve) => child.once('close', resolve));
  expect([datasets(), volumes()]).toEqual([before, []]);
  // Killed in the middle, it is gc's.
  const killed = cli.start(['run', 'base', '--', 'sh', '-c', 'echo begun; cat']);
  await new Promise((resolve) => killed.stdout?.once('data', resolve));
  killed.kill('SIGKILL');
  await new Promise((resolve) => killed.once('close', resolve));
  await cli.ok('gc');
  expect([datasets(), volumes()]).toEqual([before, []]);
  expect(await cli.ok('doctor')).toBe('all is well');
  await cli.ok('rm', '--force', 'base');
}, 300_000);
