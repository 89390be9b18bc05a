import {mkdirSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import type {Case} from './case.ts';
import {docker, podman, readyPeers} from './peers/peers.ts';
import {readyUmoci} from './peers/umoci.ts';
import {callChrootctl, chrootctl, unpack, unpackingWords} from './programs.ts';
import type {Section, SectionMaker} from './section.ts';

const UNPACK = 'umoci unpack';

/** Getting a root in and out, beside what tar(1) and others need for the same. */
export const archives: SectionMaker = (ground): Section => {
  const {directory, rootTar} = ground;
  const store = join(directory, 'store');
  callChrootctl(store, 'import', rootTar, 'debian');
  const root = unpack(rootTar, join(directory, 'root'));
  const out = join(directory, 'out.tar');
  const packing = ['tar', '-C', root, '--numeric-owner', '--xattrs', '-cf', out, '.'];
  const place = (kind: string, round: number): string => join(directory, `${kind}-${round}`);
  const removeOut = (): void => rmSync(out, {force: true});
  const {peers, failures} = readyPeers(ground, [docker, podman], {debian: rootTar});
  const failed = new Map(failures);
  const others: Case[] = [];
  for (const [name, {archives: how}] of peers) {
    if (how === undefined) continue;
    others.push(
      {name: `${name} import`, command: (round) => how.importTar(`debian-${round}`, rootTar)},
      {name: `${name} export`, prepare: removeOut, command: () => how.exportTar('debian', out)},
    );
  }
  try {
    const umoci = readyUmoci(ground, 'debian', rootTar);
    others.push({name: UNPACK, command: (round) => umoci.unpack(place('umoci', round))});
  } catch (error) {
    failed.set('umoci', error instanceof Error ? error.message : String(error));
  }
  // Nothing is removed between the rounds but the one large file: see ground.ts.
  return {
    title: 'Import and export',
    about:
      'A Debian root from and to an uncompressed tar. What is imported or exported is on the disk when the command ' +
      'ends, which tar alone does not see to, and none of the others. umoci unpacks a root from an image that it has.',
    rounds: 7,
    isSettled: true,
    cases: [
      {
        name: 'tar -x',
        prepare: (round) => mkdirSync(place('tar', round)),
        command: (round) => ({words: unpackingWords(rootTar, place('tar', round))}),
      },
      {
        name: 'tar -x and sync',
        prepare: (round) => mkdirSync(place('synced', round)),
        command: (round) => ({
          words: [
            ...['sh', '-c', '"$@" && sync --file-system "$0"', directory],
            ...unpackingWords(rootTar, place('synced', round)),
          ],
        }),
      },
      {
        name: 'import',
        command: (round) => chrootctl(store, 'import', rootTar, `debian-${round}`),
        hasCpu: false,
      },
      {
        name: 'tar -c',
        prepare: removeOut,
        command: () => ({words: packing}),
      },
      {
        name: 'tar -c and sync',
        prepare: removeOut,
        command: () => ({words: ['sh', '-c', '"$@" && sync "$0"', out, ...packing]}),
      },
      {
        name: 'export',
        prepare: removeOut,
        command: () => chrootctl(store, 'export', 'debian', out),
        hasCpu: false,
      },
      ...others.map((one) => ({...one, hasCpu: one.name === UNPACK, mayFail: true})),
    ],
    comparisons: [
      {of: 'import', to: 'tar -x'},
      {of: 'import', to: 'tar -x and sync'},
      {of: 'import', to: 'docker import'},
      {of: 'import', to: 'podman import'},
      {of: 'import', to: UNPACK},
      {of: 'export', to: 'tar -c'},
      {of: 'export', to: 'tar -c and sync'},
      {of: 'export', to: 'docker export'},
      {of: 'export', to: 'podman export'},
    ],
    failures: failed,
  };
};
