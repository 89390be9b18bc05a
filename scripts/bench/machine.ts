/** What the figures depend on, without what would tell whose machine it is. */
import {execFileSync} from 'node:child_process';
import {cpus, release, totalmem} from 'node:os';

export function describeMachine(): string[] {
  const processors = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return [
    `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}, ${memory} GiB`,
    // What follows the version is the name of whoever built it.
    `Linux ${/^[\d.]+/.exec(release())?.[0] ?? release()}, stores on a fresh ext4 on a loop device, driver overlay`,
    `Node ${process.versions.node}, ${execFileSync('bwrap', ['--version'], {encoding: 'utf8'}).trim()}`,
    new Date().toISOString().slice(0, 10),
  ];
}
