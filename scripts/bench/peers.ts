import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {readyChrootctl} from './peers/chrootctl.ts';
import {bubblewrap, PEERS, readyPeers} from './peers/peers.ts';
import type {Section, SectionMaker} from './section.ts';

const EMPTY = 'empty Node program';

/** The start of a run, beside what others need for the same, and beside what cannot be done without. */
export const peers: SectionMaker = (ground): Section => {
  const ours = readyChrootctl(ground);
  ours.addRoot('debian', ground.rootTar);
  const empty = join(ground.directory, 'empty.mjs');
  writeFileSync(empty, '');
  const {peers: ready, failures} = readyPeers(ground, [...PEERS, bubblewrap], {debian: ground.rootTar});
  return {
    title: 'Beside others: start',
    about:
      '`true` in a throw-away clone of the same Debian root. The floor is an empty Node program and bubblewrap, one ' +
      'after the other; bubblewrap has the root itself, not a clone.',
    rounds: 21,
    isSettled: true,
    plot: '`true` in a throw-away clone, ms (less is better)',
    cases: [
      {name: 'chrootctl', command: () => ours.run('debian', 'true')},
      ...[...ready].map(([name, {run, hasCpu}]) => ({
        name,
        command: () => run('debian', 'true'),
        hasCpu,
        mayFail: true,
      })),
      {name: EMPTY, command: () => ({words: [process.execPath, empty]})},
    ],
    comparisons: [
      {of: 'chrootctl', to: 'schroot', most: {ratio: 0.4}},
      {of: 'chrootctl', to: 'docker', most: {ratio: 0.4}},
      {of: 'chrootctl', to: 'podman'},
      {of: 'chrootctl', to: 'systemd-nspawn', most: {ratio: 0.8}},
      {of: 'chrootctl', to: [EMPTY, bubblewrap.name], most: {ratio: 1.5}},
    ],
    failures,
  };
};
