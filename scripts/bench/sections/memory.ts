import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {interruption} from '../../../src/system/interruption.ts';
import {busyboxRoot} from '../../../test/cli/chrootctl.ts';
import {call} from '../harness/processes.ts';
import {chrootctlOn} from '../harness/programs.ts';
import type {SectionMaker} from '../harness/section.ts';

const AT_ONCE = 64;
/** MB. */
const MOST = 200;

/** What many runs have together that wait for something. */
export const memory: SectionMaker = async ({directory, atEnd}) => {
  const store = join(directory, 'store');
  call(chrootctlOn(store, 'import', busyboxRoot(), 'base'));
  // Each tells that its command has begun, and holds still until its input ends.
  const command = chrootctlOn(store, 'run', 'base', '--', 'sh', '-c', 'echo begun; read _');
  const [file = '', ...args] = command.words;
  const env = {...process.env, ...command.env};
  const runs = Array.from({length: AT_ONCE}, () =>
    spawn(file, args, {env, stdio: ['pipe', 'pipe', 'inherit']}),
  );
  // They would keep the file system from being unmounted.
  atEnd(() => runs.forEach((run) => run.kill('SIGKILL')));
  const ended = runs.map((run) => once(run, 'exit'));
  try {
    const begun = await Promise.all(runs.map(({stdout}) => stdout.iterator({destroyOnReturn: false}).next()));
    interruption.throwIfAborted();
    if (begun.some(({done}) => done)) throw new Error('a run ended before its command had begun');
    const processes = processesBelow(process.pid);
    const kilobytes = processes.map((pid) => Number(/^Pss:\s+(\d+)/m.exec(read(pid, 'smaps_rollup'))?.[1]));
    const megabytes = kilobytes.reduce((sum, one) => sum + one, 0) / 1024;
    return {
      title: 'Memory',
      about:
        `${AT_ONCE} runs whose commands wait are ${processes.length} processes, which take ${megabytes.toFixed(0)} MB ` +
        `together (proportional set size: what several share is divided among them); promised: at most ${MOST}: ` +
        `${megabytes <= MOST ? 'holds' : '**does not hold**'}.`,
      rounds: 0,
      cases: [],
      comparisons: [],
    };
  } finally {
    for (const {stdin} of runs) stdin.end();
    await Promise.all(ended);
  }
};

function processesBelow(parent: number): number[] {
  const children = read(parent, `task/${parent}/children`).trim().split(' ').filter(Boolean).map(Number);
  return children.flatMap((pid) => [pid, ...processesBelow(pid)]);
}

function read(pid: number, file: string): string {
  return readFileSync(`/proc/${pid}/${file}`, 'utf8');
}
