/** What the figures depend on, without what would tell whose machine it is. */
import {execFileSync} from 'node:child_process';
import {cpus, release, totalmem} from 'node:os';
import {versionOf} from './peers/packages.ts';
import {PEERS} from './peers/peers.ts';
import {UMOCI_PACKAGES} from './peers/umoci.ts';
import {describeProgram} from './programs.ts';

export function describeMachine(): string[] {
  const processors = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  const packages = [...PEERS.map(({packages: [name = '']}) => name), ...UMOCI_PACKAGES];
  const peers = packages.flatMap((name) => {
    const version = versionOf(name);
    return version === undefined ? [] : [`${name} ${version}`];
  });
  return [
    `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, ${memory} GiB`,
    // What follows the version is the name of whoever built it.
    `Linux ${/^[\d.]+/.exec(release())?.[0] ?? release()}, everything on a fresh ext4 on a loop device`,
    `${describeProgram()}, driver overlay`,
    `Node ${process.versions.node}, ${execFileSync('bwrap', ['--version'], {encoding: 'utf8'}).trim()}`,
    ...(peers.length === 0 ? [] : [`Debian's ${peers.join(', ')}`]),
    new Date().toISOString().slice(0, 10),
  ];
}
