import {execFileSync} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import type {Case} from './case.ts';
import {readyChrootctl} from './peers/chrootctl.ts';
import type {ReadyPeer} from './peers/peer.ts';
import {docker, podman, readyPeers} from './peers/peers.ts';
import {changeTree, readyUmoci} from './peers/umoci.ts';
import {call} from './processes.ts';
import {unpack} from './programs.ts';
import type {Comparison, Ground, Section, SectionMaker} from './section.ts';
import {addFiles} from '../../test/cli/stores.ts';

const MEGABYTES = 100;
const SYNC = 'sync of a small file';
const SIZES = ['small', 'large'] as const;

/** A new version of a root, after a small change and after a large one. */
export const commits: SectionMaker = (ground): Section => {
  const more = ground.isQuick ? 20_000 : 100_000;
  const tars = {small: ground.rootTar, large: withMoreFiles(ground, more)};
  const ours = readyChrootctl(ground);
  for (const [root, tar] of Object.entries(tars)) ours.addRoot(root, tar);
  const {peers, failures} = readyPeers(ground, [docker, podman], tars);
  const failed = new Map(failures);
  const cases: Case[] = [syncOf(ground), ...casesOf(ground, 'chrootctl', ours)];
  const attempt = (name: string, make: () => readonly Case[]): void => {
    try {
      cases.push(...make().map((one) => ({...one, mayFail: true})));
    } catch (error) {
      failed.set(name, error instanceof Error ? error.message : String(error));
    }
  };
  for (const [name, peer] of peers) attempt(name, () => casesOf(ground, name, peer));
  attempt('umoci', () => umociCases(ground, tars));
  return {
    title: 'Beside others: commits',
    about:
      `A run that changes one small file and is committed, in a Debian root and in one with ${more.toLocaleString('en')} ` +
      `files more; and a commit of a session in which ${MEGABYTES} MB were written. docker and podman need three ` +
      'commands for the first: `run`, `commit`, `rm`. umoci commits (`repack`) one file that was appended to in a tree that ' +
      'it had unpacked. What chrootctl commits is on the disk when the command ends.',
    rounds: 7,
    isSettled: true,
    cases,
    comparisons: [
      ...SIZES.map((size) => ({
        of: `chrootctl: ${runAndCommit(size)}`,
        to: [`chrootctl: ${run(size)}`, SYNC],
        most: {milliseconds: 40},
      })),
      ...['docker', 'podman'].flatMap((name) =>
        SIZES.map((size) => ({of: `chrootctl: ${runAndCommit(size)}`, to: `${name}: ${runAndCommit(size)}`})),
      ),
      ...SIZES.map((size): Comparison => ({
        of: `chrootctl: ${runAndCommit(size)}`,
        to: `umoci: repack, ${size}`,
      })),
      {of: `chrootctl: ${ON_DISK}`, to: `docker: ${ON_DISK}`, most: {ratio: 0.25}},
      {of: `chrootctl: ${FRESH}`, to: `docker: ${FRESH}`, most: {ratio: 0.25}},
      {of: `chrootctl: ${FRESH}`, to: `docker: ${FRESH_AND_SYNC}`},
      {of: `chrootctl: ${ON_DISK}`, to: `podman: ${ON_DISK}`},
      {of: `chrootctl: ${FRESH}`, to: `podman: ${FRESH}`},
    ],
    failures: failed,
  };
};

type Size = (typeof SIZES)[number];

const run = (size: Size): string => `run, ${size} root`;
const runAndCommit = (size: Size): string => `run and commit, ${size} root`;
const FRESH = `commit of ${MEGABYTES} MB just written`;
const FRESH_AND_SYNC = `${FRESH}, and sync`;
const ON_DISK = `commit of ${MEGABYTES} MB on the disk`;

function casesOf(
  ground: Ground,
  name: string,
  {run: runIn, sessions, commits: how, hasCpu}: ReadyPeer,
): Case[] {
  if (sessions === undefined || how === undefined) return [];
  const change = (round: number): string[] => ['sh', '-c', `echo ${round} > /changed`];
  const session = 'changing';
  call(sessions.begin('small', session));
  const write = (): void => {
    const words = ['sh', '-c', `head -c ${MEGABYTES}000000 /dev/urandom > /large`];
    call(sessions.exec(session, ...words));
  };
  const sync = ['sync', '--file-system', ground.directory];
  const cases: Case[] = [
    ...SIZES.flatMap((size): Case[] => [
      {name: run(size), command: (round) => runIn(size, ...change(round))},
      {
        name: runAndCommit(size),
        command: (round) => how.runAndCommit(size, `${size}-${round}`, ...change(round)),
      },
    ]),
    {name: FRESH, prepare: write, command: (round) => how.commit(session, `fresh-${round}`)},
    {
      name: ON_DISK,
      prepare: () => {
        write();
        call({words: sync});
      },
      command: (round) => how.commit(session, `on-disk-${round}`),
    },
  ];
  // chrootctl has done so by itself.
  if (name !== 'chrootctl')
    cases.push({
      name: FRESH_AND_SYNC,
      prepare: write,
      command: (round) => ({
        words: [
          'sh',
          '-c',
          '"$@" && sync --file-system "$0"',
          ground.directory,
          ...how.commit(session, `synced-${round}`).words,
        ],
      }),
    });
  return cases.map((one) => ({...one, name: `${name}: ${one.name}`, hasCpu}));
}

/** What the file system alone needs until such a change is on the disk. */
function syncOf({directory}: Ground): Case {
  const file = join(directory, 'synced');
  return {
    name: SYNC,
    command: (round) => ({words: ['sh', '-c', `echo ${round} > "$0" && sync --file-system "$0"`, file]}),
  };
}

function umociCases(ground: Ground, tars: Record<Size, string>): Case[] {
  return SIZES.map((size) => {
    const umoci = readyUmoci(ground, size, tars[size]);
    return {
      name: `umoci: repack, ${size}`,
      prepare: (round) => changeTree(umoci, `${round}\n`),
      command: (round) => umoci.repack(`change-${round}`),
    };
  });
}

/** A tar of the Debian root with so many files more. */
function withMoreFiles({directory, rootTar}: Ground, count: number): string {
  const root = unpack(rootTar, join(directory, 'larger'));
  mkdirSync(join(root, 'srv'), {recursive: true});
  addFiles(join(root, 'srv'), count);
  const tar = join(directory, 'larger.tar');
  execFileSync('tar', ['-C', root, '--numeric-owner', '--xattrs', '-cf', tar, '.']);
  return tar;
}
