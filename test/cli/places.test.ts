/** What the sandbox makes in a root is the command's to use and change, and no version ever has it. */
import {describe, expect, test} from '@jest/globals';
import {spawnSync} from 'node:child_process';
import {mkdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Cli, busyboxRoot} from './chrootctl.ts';
import {DRIVERS} from './drivers.ts';

const OWN_HOSTS = '192.0.2.7 of-the-image\n';

/** A store with an image `base` that has a hosts file of its own, but no hostname, and a resolv.conf that is a link into /run. */
async function storeWith(driver: string): Promise<Cli> {
  const cli = new Cli({driver});
  const root = busyboxRoot();
  writeFileSync(join(root, 'etc/hosts'), OWN_HOSTS, {mode: 0o640});
  utimesSync(join(root, 'etc/hosts'), 1e9, 1e9);
  utimesSync(join(root, 'etc'), 1e9, 1e9);
  symlinkSync('../run/systemd/resolve/stub-resolv.conf', join(root, 'etc/resolv.conf'));
  await cli.ok('import', root, 'base');
  return cli;
}

/** Each path of a version with what tar(1) says of it. */
async function listing(cli: Cli, reference: string): Promise<string> {
  const archive = join(cli.directory, 'listed.tar');
  await cli.ok('export', reference, archive);
  const {stdout} = spawnSync('tar', ['--full-time', '-tvf', archive], {encoding: 'utf8'});
  rmSync(archive);
  return stdout;
}

const sh = (script: string): string[] => ['--', 'sh', '-c', script];

describe.each(DRIVERS)('on %s', (driver) => {
  test('a run that is committed leaves nothing of it behind', async () => {
    const cli = await storeWith(driver);
    const before = await listing(cli, 'base');
    mkdirSync(join(cli.directory, 'shown'));
    writeFileSync(join(cli.directory, 'shown/file'), 'shown');
    const script =
      'cat /a/b/c/file /d/one; stat -c %a /a /a/b /d /run/systemd; echo 127.9.9.9 peer >>/etc/hosts; cat /etc/hosts; test -s /etc/resolv.conf';
    const flags = ['-v', 'shown:/a/b/c', '-v', 'shown/file:/d/one', '--tmpfs', '/e/f', '--hostname', 'there'];
    const {code, stdout} = await cli.call(['run', '--commit', 'base', ...flags, ...sh(script)]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^shownshown755\n755\n755\n755\n[^]*there\n127\.9\.9\.9 peer\n$/);
    expect(await listing(cli, 'base')).toBe(before);
    expect(await cli.ok('run', 'base', ...sh('grep -c peer /etc/hosts || :'))).toBe('0');
  });

  test('a session keeps its own names over its commands and commits, and its versions have none of them', async () => {
    const cli = await storeWith(driver);
    const before = await listing(cli, 'base');
    await cli.ok('session', 'begin', 'base', '--name', 'work');
    await cli.ok(
      'exec',
      'work',
      '-v',
      `${cli.directory}:/deep/er`,
      ...sh('echo 127.9.9.9 peer >>/etc/hosts'),
    );
    expect(await cli.ok('diff', 'work')).toBe('');
    expect(await cli.ok('exec', 'work', ...sh('tail -n 1 /etc/hosts'))).toBe('127.9.9.9 peer');
    await cli.ok('commit', 'work');
    expect(await listing(cli, 'base')).toBe(before);
    expect(await cli.ok('exec', 'work', ...sh('tail -n 1 /etc/hosts; ls /run/systemd/resolve'))).toBe(
      '127.9.9.9 peer\nstub-resolv.conf',
    );
    await cli.ok('session', 'end', 'work', '--commit');
    expect(await listing(cli, 'base')).toBe(before);
  });

  test('a commit of a session in which something runs has none of it either', async () => {
    const cli = await storeWith(driver);
    const before = await listing(cli, 'base');
    await cli.ok('session', 'begin', 'base', '--name', 'work');
    const running = cli.start([
      'exec',
      'work',
      ...sh('echo peer >>/etc/hosts; echo up; read _; tail -n 1 /etc/hosts'),
    ]);
    await new Promise((resolve) => running.stdout?.once('data', resolve));
    await cli.ok('commit', 'work');
    expect(await listing(cli, 'base')).toBe(before);
    const said = new Promise((resolve) =>
      running.stdout?.once('data', (data: Buffer) => resolve(data.toString())),
    );
    running.stdin?.end('\n');
    expect(await said).toBe('peer\n');
  });

  test('what a command puts in their place, or beside them, is its own', async () => {
    const cli = await storeWith(driver);
    mkdirSync(join(cli.directory, 'shown'));
    await cli.ok(
      ...['run', '--commit', 'base', '-v', 'shown:/a/b'],
      ...sh('ln -nsf ../run/other.conf /etc/resolv.conf; touch /a/kept; rm /etc/hostname; chmod 711 /etc'),
    );
    const after = await listing(cli, 'base');
    expect(after).toMatch(/etc\/resolv\.conf -> \.\.\/run\/other\.conf$/m);
    expect(after).toMatch(/\.\/a\/kept$/m);
    expect(after).not.toMatch(/\.\/a\/b|stub-resolv\.conf$|etc\/hostname/m);
    expect(after).toMatch(/^drwx--x--x .* \.\/etc\/$/m);
    expect(await cli.ok('run', 'base', ...sh('cat /run/other.conf'))).toBe(
      spawnSync('cat', ['/etc/resolv.conf'], {encoding: 'utf8'}).stdout.trimEnd(),
    );
  });

  test('links that a command leaves on the way to them lead nowhere', async () => {
    const cli = await storeWith(driver);
    const victim = join(cli.directory, 'victim');
    mkdirSync(join(victim, 'systemd/resolve'), {recursive: true});
    writeFileSync(join(victim, 'systemd/resolve/stub-resolv.conf'), 'of the host');
    writeFileSync(join(victim, 'hosts'), 'of the host');
    await cli.ok('session', 'begin', 'base', '--name', 'work');
    await cli.ok(
      'exec',
      'work',
      ...sh(`mv /run /run2; ln -s ${victim} /run; mv /etc /etc2; ln -s ${victim} /etc`),
    );
    await cli.ok('commit', 'work');
    await cli.ok('session', 'rm', '--force', 'work');
    for (const name of ['systemd/resolve/stub-resolv.conf', 'hosts'])
      expect(statSync(join(victim, name)).size).toBe('of the host'.length);
  });
});
