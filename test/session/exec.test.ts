/** A command comes into a session in which another one is at work, which may wish it ill. */
import {afterAll, expect, test} from '@jest/globals';
import {mkdirSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {Cli, cleanUp} from '../cli/chrootctl.ts';

afterAll(cleanUp);

test('a link put in the way of a mount point while that is being made leads nowhere on the host', async () => {
  const cli = new Cli({driver: 'overlay'});
  const canary = join(cli.directory, 'canary');
  mkdirSync(canary);
  await cli.importRoot();
  await cli.ok('session', 'begin', 'base', '--name', 'work');
  // By the name that bubblewrap has for the host's root while it prepares the sandbox's.
  await cli.ok('exec', 'work', '--', 'sh', '-c', `mkdir -p /srv/a && ln -s "/oldroot${canary}" /srv/link`);
  const swap = 'cd /srv; while :; do mv a dir; mv link a; mv a link; mv dir a; done';
  const attacker = cli.start(['exec', 'work', '--', 'sh', '-c', `echo up; ${swap}`]);
  await new Promise((resolve) => attacker.stdout?.once('data', resolve));
  for (let round = 0; round < 10; round++) {
    const {code, stderr} = await cli.call(['exec', '-v', '/dev/null:/srv/a/new', 'work', '--', 'true']);
    // Wherever the directory was at that moment, its place is found or there is an explanation.
    expect([0, 125]).toContain(code);
    if (code !== 0) expect(stderr).toContain('/srv/a');
    expect(readdirSync(canary)).toEqual([]);
  }
  await cli.ok('session', 'rm', '--force', 'work');
});
