/** What others do too, measured beside them. */
import {rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {call} from '../harness/processes.ts';
import {chrootctlOn, synced, unpack, unpacking} from '../harness/programs.ts';
import type {Command, SectionMaker} from '../harness/section.ts';
import {beside} from '../peers/beside.ts';
import {docker, dockerWithCrun, podman, podmanWithCrun} from '../peers/containers.ts';
import {schroot} from '../peers/schroot.ts';
import {bubblewrap, nspawn, unpacked} from '../peers/trees.ts';

const RUNNERS = [schroot, docker, dockerWithCrun, podman, podmanWithCrun, nspawn, unpacked] as const;

/** The start of a run, beside what cannot be done without as well. */
export const start: SectionMaker = (ground) => {
  const file = join(ground.directory, 'empty.mjs');
  writeFileSync(file, '');
  const [empty, version] = ['empty Node program', 'chrootctl --version'];
  const [change, committing] = ['chrootctl: a change', 'chrootctl: a change, --commit'];
  const changed = (...flags: string[]): Command =>
    chrootctlOn(
      join(ground.directory, 'chrootctl'),
      'run',
      'debian:first',
      ...flags,
      '--',
      'touch',
      '/changed',
    );
  const {cases, comparisons, failures} = beside(
    ground,
    [...RUNNERS, bubblewrap],
    ({run}) => ({'': {command: () => run('true')}}),
    {schroot: {ratio: 0.2}, docker: {ratio: 0.2}, 'systemd-nspawn': {ratio: 0.45}},
  );
  return {
    title: 'Beside others: start',
    about:
      '`true` in a throw-away clone of the same Debian root. The floor is an empty Node program and bubblewrap, one ' +
      'after the other; bubblewrap has the root itself, not a clone.',
    rounds: 21,
    cases: [
      ...cases,
      {name: empty, command: () => ({words: [process.execPath, file]})},
      {name: version, command: () => chrootctlOn(ground.directory, '--version')},
      {name: change, command: () => changed()},
      // Wherever latest is by now.
      {name: committing, command: () => changed('--commit', '--force', '--quiet')},
    ],
    comparisons: [
      ...comparisons,
      {of: ['chrootctl'], to: [empty, bubblewrap.name], most: {ratio: 1}},
      {of: [version], to: [empty]},
      {of: [committing], to: [change], most: {milliseconds: 25}},
    ],
    failures,
  };
};

const AT_ONCE = [1, 4, 16, 64];

/** A build host with work to do. */
export const parallel: SectionMaker = (ground) => ({
  title: 'Beside others: runs at once',
  about: `\`true\` in 1 to ${AT_ONCE.at(-1)} throw-away clones of the same Debian root, begun together, until the last has ended.`,
  rounds: 5,
  // At 16 at least five times as many a second as docker.
  ...beside(
    ground,
    [docker, nspawn],
    ({run}) =>
      Object.fromEntries(
        AT_ONCE.map((count) => [`${count} at once`, {command: () => together(count, run('true'))}]),
      ),
    {'docker: 16 at once': {ratio: 1 / 5}},
  ),
});

/** Fails when one of them does. */
function together(count: number, {words, env = {}}: Command): Command {
  const script = `
    all=
    for one in $(seq ${count}); do "$@" & all="$all $!"; done
    for one in $all; do wait "$one" || exit; done`;
  return {words: ['sh', '-c', script, 'sh', ...words], env};
}

/** Clones that are kept: each step of their life. */
export const sessions: SectionMaker = (ground) => ({
  title: 'Beside others: sessions',
  about:
    'A session of the same Debian root is begun, runs `true`, and is ended. For docker and podman it is a container in ' +
    'which `sleep` runs, which is removed by force; systemd-nspawn has none.',
  rounds: 11,
  ...beside(
    ground,
    [schroot, docker, podman],
    ({begin, exec, end}) => {
      // One that lasts, for exec; the others' turns come in any order.
      call(begin('lasting'));
      ground.atEnd(() => void call(end('lasting')));
      return {
        begin: {
          prepare: (round) => {
            if (round > 0) call(end(`begun-${round - 1}`));
          },
          command: (round) => begin(`begun-${round}`),
        },
        exec: {command: () => exec('lasting', 'true')},
        end: {
          prepare: (round) => void call(begin(`ending-${round}`)),
          command: (round) => end(`ending-${round}`),
        },
      };
    },
    {'schroot: begin': {ratio: 0.5}, 'schroot: end': {ratio: 0.5}},
  ),
});

const ON_DISK = 'commit of 100 MB on the disk';
const FRESH = 'commit of 100 MB just written';

/** A new version of a root, after a small change and after a large one. */
export const commits: SectionMaker = (ground) => {
  const writing = (bytes: number): string[] => ['sh', '-c', `head -c ${bytes} /dev/urandom > "$0"`];
  const inSync = (command: Command): Command => synced(command, ground.directory);
  const nothing = inSync({words: ['true']});
  const {cases, comparisons, failures} = beside(
    ground,
    [docker, podman],
    ({begin, exec, commit}) => {
      for (const session of ['small', 'large']) call(begin(session));
      const write = (session: string, bytes: number): void =>
        void call(exec(session, ...writing(bytes), '/changed'));
      const prepare = (): void => write('large', 100e6);
      return {
        'commit of a small file': {
          prepare: () => write('small', 10),
          command: (round) => commit('small', `small-${round}`),
        },
        [ON_DISK]: {
          prepare: () => {
            prepare();
            call(nothing);
          },
          command: (round) => commit('large', `on-disk-${round}`),
        },
        [FRESH]: {prepare, command: (round) => commit('large', `fresh-${round}`)},
        [`${FRESH}, and sync`]: {prepare, command: (round) => inSync(commit('large', `synced-${round}`))},
      };
    },
    {[`docker: ${ON_DISK}`]: {ratio: 0.25}, [`docker: ${FRESH}, and sync`]: {ratio: 0.25}},
  );
  const floor = 'sync of 100 MB just written';
  const prepare = (): void => void call({words: [...writing(100e6), join(ground.directory, 'written')]});
  return {
    title: 'Beside others: commits',
    about:
      'A commit of a session of the same Debian root, in which a small file or 100 MB were written. What chrootctl commits ' +
      'is on the disk when the command ends, without the sync. The last is what the disk needs for it.',
    rounds: 7,
    cases: [...cases, {name: floor, prepare, command: () => nothing}],
    comparisons: [
      ...comparisons,
      {of: [`chrootctl: ${FRESH}, and sync`], to: [floor]},
      {of: [floor], to: [`docker: ${FRESH}, and sync`]},
    ],
    failures,
  };
};

/** Getting a root in and out, beside what tar(1) needs for the same. */
export const archives: SectionMaker = ({directory, rootTar}) => {
  const store = join(directory, 'store');
  call(chrootctlOn(store, 'import', rootTar, 'debian'));
  const tree = unpack(rootTar, join(directory, 'tree'));
  const out = join(directory, 'out.tar');
  const packing = ['tar', '-C', tree, '--numeric-owner', '--xattrs', '-cf', out, '.'];
  const place = (round: number): string => join(directory, `tar-${round}`);
  // Nothing is removed between the rounds but the one large file: see ground.ts.
  const prepare = (): void => rmSync(out, {force: true});
  return {
    title: 'Import and export',
    about:
      'A Debian root from and to an uncompressed tar. What is imported or exported is on the disk when the command ' +
      'ends; tar needs a sync for that.',
    rounds: 7,
    cases: [
      {name: 'tar -x and sync', command: (round) => synced(unpacking(rootTar, place(round)), directory)},
      {name: 'import', command: (round) => chrootctlOn(store, 'import', rootTar, `debian-${round}`)},
      {name: 'tar -c and sync', prepare, command: () => synced({words: packing}, directory)},
      {name: 'export', prepare, command: () => chrootctlOn(store, 'export', 'debian', out)},
    ],
    comparisons: [
      {of: ['import'], to: ['tar -x and sync']},
      {of: ['export'], to: ['tar -c and sync']},
    ],
  };
};
