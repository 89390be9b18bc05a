import {statfsSync} from 'node:fs';
import {syncAll} from './ground.ts';
import {readyChrootctl} from './peers/chrootctl.ts';
import type {Sessions} from './peers/peer.ts';
import {docker, podman, readyPeers, schroot} from './peers/peers.ts';
import {call, footprintOf} from './processes.ts';
import {number} from './report.ts';
import type {Ground, Section, SectionMaker} from './section.ts';

const COUNT = 20;

/** What a session costs in which nothing happens. */
export const idle: SectionMaker = (ground): Section => {
  const ours = readyChrootctl(ground);
  ours.addRoot('debian', ground.rootTar);
  const {peers, failures} = readyPeers(ground, [schroot, docker, podman], {debian: ground.rootTar});
  const rows = [['chrootctl', ...costOf(ground, ours.sessions)]];
  const failed = new Map(failures);
  for (const [name, {sessions}] of peers) {
    if (sessions === undefined) continue;
    try {
      rows.push([name, ...costOf(ground, sessions)]);
    } catch (error) {
      rows.push([name, 'could not run', '', '', '']);
      failed.set(name, error instanceof Error ? error.message : String(error));
    }
  }
  return {
    title: 'Beside others: what an idle session costs',
    about:
      `${COUNT} sessions are begun; the figures are for one of them. Memory is that of processes (proportional set ` +
      'size), daemons included as far as they grow; what the kernel keeps for a mount is not in it.',
    rounds: 0,
    cases: [],
    comparisons: [],
    table: {head: ['', 'processes', 'memory, MB', 'disk, kB', 'files on disk'], rows},
    failures: failed,
  };
};

function costOf(ground: Ground, {begin, end}: Sessions): string[] {
  const names = Array.from({length: COUNT}, (_, number) => `idle-${number}`);
  // The first one makes what all share.
  call(begin('debian', 'first'));
  const before = usage(ground);
  for (const name of names) call(begin('debian', name));
  const after = usage(ground);
  for (const name of ['first', ...names]) call(end(name));
  const each = (key: keyof typeof before): number => Math.max(0, after[key] - before[key]) / COUNT;
  return [
    number(each('processes')),
    number(each('memory') / 2 ** 20),
    number(each('disk') / 1024),
    number(each('files')),
  ];
}

interface Usage {
  processes: number;
  memory: number;
  disk: number;
  files: number;
}

function usage({directory, runtime}: Ground): Usage {
  // What is not yet on the disk is counted differently.
  syncAll(directory);
  const {bsize, bfree, ffree} = statfsSync(directory);
  return {...footprintOf(runtime), disk: -bfree * bsize, files: -ffree};
}
