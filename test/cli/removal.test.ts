import {describe, expect, test} from '@jest/globals';
import {execFileSync} from 'node:child_process';
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {Cli} from './chrootctl.ts';
import {DRIVERS, SLOWNESS} from './drivers.ts';

describe.each(DRIVERS)('removal on %s', (driver) => {
  test('while others run and update, a run finds its version or the next one, never half of it', async () => {
    const cli = new Cli({driver});
    await cli.importRoot();
    const deadline = Date.now() + 6000;
    const failures: string[] = [];
    let runs = 0;
    let pruned = 0;
    const repeat = async (work: () => Promise<void>): Promise<void> => {
      while (Date.now() < deadline || runs < 6 / Math.min(SLOWNESS, 3) || pruned === 0) await work();
    };
    await Promise.all([
      ...(SLOWNESS > 1 ? [1] : [1, 2]).map(() =>
        repeat(async () => {
          const {code, stderr} = await cli.call(['run', 'base', '--', 'cat', '/etc/os-release']);
          runs++;
          if (code !== 0) failures.push(`run: ${code} ${stderr}`);
        }),
      ),
      repeat(async () => {
        const {code, stderr} = await cli.call(['update', 'base', '--', 'sh', '-c', 'echo x >> /log']);
        if (code !== 0 && code !== 4) failures.push(`update: ${code} ${stderr}`);
      }),
      repeat(async () => {
        pruned += (await cli.json<{removed: unknown[]}>('prune')).removed.length;
      }),
      repeat(async () => {
        const {code, stderr} = await cli.call(['gc']);
        if (code !== 0) failures.push(`gc: ${code} ${stderr}`);
      }),
    ]);
    expect(failures).toEqual([]);
    await cli.ok('prune');
    expect(await cli.json('images')).toHaveLength(1);
    expect(await cli.ok('doctor')).toBe('all is well');
  }, 300_000);

  test('a version in use is never removed, and one that is not leaves its space', async () => {
    const cli = new Cli({driver});
    await cli.importRoot();
    await cli.ok('session', 'begin', 'base', '--name', 'user');
    for (const force of [[], ['--force']]) expect((await cli.call(['rm', ...force, 'base'])).code).toBe(5);
    await cli.ok('exec', 'user', '--', 'true');
    await cli.ok('session', 'end', 'user');

    const child = cli.start(['run', 'base', '--', 'sh', '-c', 'echo ready; cat; cat /etc/os-release']);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const refused = await cli.call(['rm', '--force', 'base']);
    expect([refused.code, refused.stderr]).toEqual([
      5,
      expect.stringMatching(/in use by session .*\n.*pid \d+/),
    ]);
    let stdout = '';
    child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
    child.stdin?.end();
    await new Promise((resolve) => child.once('close', resolve));
    expect(stdout).toBe('NAME=busybox\n');
    await cli.ok('rm', '--force', 'base');
    expect(readdirSync(join(cli.store, 'images'))).toEqual([]);
    expect(
      execFileSync('find', [join(cli.store, 'volumes'), '-mindepth', '1', '-maxdepth', '1', '-type', 'd'], {
        encoding: 'utf8',
      }),
    ).toBe('');
  });
});
