import {execFileSync, spawnSync} from 'node:child_process';
import {readdirSync, readFileSync, statfsSync} from 'node:fs';
import {join} from 'node:path';
import {busyboxRoot} from '../../test/cli/chrootctl.ts';
import {syncAll} from './ground.ts';
import {failure} from './processes.ts';
import {callChrootctl, chrootctl} from './programs.ts';
import type {Ground, Section, SectionMaker} from './section.ts';

const RUNS = {many: 10_000, quick: 200};
const WORKERS = 4;

/** Does anything stay behind, so that it is much after a long life? */
export const growth: SectionMaker = (ground): Section => {
  const root = join(ground.directory, 'store');
  const count = ground.isQuick ? RUNS.quick : RUNS.many;
  callChrootctl(root, 'import', busyboxRoot(), 'base');
  // The first ones make what all use.
  runMany(root, WORKERS);
  const before = countsOf(ground, root);
  runMany(root, count);
  const after = countsOf(ground, root);
  return {
    title: 'Long life',
    about:
      `${count.toLocaleString('en')} runs, ${WORKERS} at a time, each of which writes a file. What there is before and ` +
      'after, the rest of the host included.',
    rounds: 0,
    cases: [],
    comparisons: [],
    table: {
      head: ['', 'before', 'after'],
      rows: Object.keys(before).map((what) => [what, String(before[what]), String(after[what])]),
    },
  };
};

function runMany(root: string, count: number): void {
  const {words, env} = chrootctl(root, 'run', 'base', '--', 'sh', '-c', 'echo written > /file');
  const script = `
    n=$0; all=
    for _ in $(seq ${WORKERS}); do
      (for _ in $(seq $((n / ${WORKERS}))); do "$@" || exit; done) & all="$all $!"
    done
    for one in $all; do wait "$one" || exit; done`;
  const {status, stderr} = spawnSync('sh', ['-c', script, String(count), ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {...process.env, ...env},
  });
  if (status !== 0) throw new Error(failure(words.join(' '), status, stderr));
}

function countsOf({directory}: Ground, root: string): Record<string, number> {
  syncAll(directory);
  const {bsize, blocks, bfree} = statfsSync(directory);
  const linesOf = (file: string): number => readFileSync(file, 'utf8').split('\n').length - 1;
  return {
    'files in the store': execFileSync('find', [root], {encoding: 'utf8'}).split('\n').length - 1,
    'kB on the disk': ((blocks - bfree) * bsize) / 1024,
    mounts: linesOf('/proc/self/mountinfo'),
    processes: readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length,
    'lines that doctor prints': callChrootctl(root, 'doctor').split('\n').length,
  };
}
