/**
 * Runs in the guest: commits of every kind, several at a time, in a store on a disk that keeps a log.
 *   load.mjs DRIVER SECONDS
 */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import type {Cli, Outcome} from '../../cli/chrootctl.ts';
import {busyboxRoot} from '../../cli/chrootctl.ts';
import {formatMark, MARK_SIZE, type Mark} from './disk.ts';
import {writeCommand, writeInto} from './generation.ts';
import type {Driver} from './drivers.ts';
import {makeStore} from './store.ts';

const [driver = '', seconds = ''] = process.argv.slice(2);

/** Exit code of a commit that came too late. */
const CONFLICT = 4;

// Marks go past the guest's cache, but they flush nothing: that is for the commits to do.
const marks = spawn(
  'dd',
  ['of=/dev/vdc2', `bs=${MARK_SIZE}`, 'iflag=fullblock', 'oflag=direct', 'conv=notrunc', 'status=none'],
  {
    stdio: ['pipe', 'ignore', 'inherit'],
  },
);
const mark = (what: Mark): void => void marks.stdin.write(formatMark(what));

const cli = await makeStore(driver as Driver, '/dev/vdc1');
const root = busyboxRoot();
writeInto(root, 'first');
const importInto = async (image: string): Promise<void> => {
  const version = await cli.ok('import', root, image);
  mark({image, version, generation: 'first'});
};
for (const image of ['updated', 'run', 'session']) await importInto(image);
mark('ready');

const deadline = Date.now() + Number(seconds) * 1000;
await Promise.all([updater('a'), updater('b'), runner(), sessions()]);
marks.stdin.end();
await once(marks, 'close');

/** Two of them race. */
async function updater(name: string): Promise<void> {
  for (let n = 1; goesOn(); n++) {
    const generation = `${name}${n}`;
    const words = ['update', 'updated', '--quiet', '--json', '--retries', '1', '--'];
    const outcome = await committing(cli, [...words, ...writeCommand(generation)]);
    if (outcome.code === 0) acknowledge('updated', versionIn(outcome.stderr), generation);
  }
}

async function runner(): Promise<void> {
  for (let n = 1; goesOn(); n++) {
    const words = ['run', 'run', '--commit', '--quiet', '--json', '--'];
    const {stderr} = await committing(cli, [...words, ...writeCommand(`${n}`)]);
    acknowledge('run', versionIn(stderr), `${n}`);
  }
}

async function sessions(): Promise<void> {
  for (let n = 1; goesOn(); n++) {
    const name = `work-${n}`;
    await cli.ok('session', 'begin', 'session', '--name', name);
    for (const last of [false, true]) {
      const generation = `${n}${last ? '-last' : ''}`;
      await cli.ok('exec', name, '--', ...writeCommand(generation));
      const words = last ? ['session', 'end', name, '--commit', '--json'] : ['commit', name, '--json'];
      acknowledge('session', versionIn((await committing(cli, words)).stdout), generation);
    }
  }
}

function goesOn(): boolean {
  return Date.now() < deadline;
}

/** @throws Error when it fails otherwise than by a conflict */
async function committing(on: Cli, words: readonly string[]): Promise<Outcome> {
  const outcome = await on.call(words);
  if (outcome.code === 0 || outcome.code === CONFLICT) return outcome;
  throw new Error(`chrootctl ${words.join(' ')} ended with ${outcome.code}: ${outcome.stderr}`);
}

function acknowledge(image: string, version: string, generation: string): void {
  mark({image, version, generation});
}

function versionIn(text: string): string {
  return (JSON.parse(text) as {version: string}).version;
}
