/** In a process of its own: an interruption stays for as long as its process lives. */
import {expect, test} from '@jest/globals';
import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {temporaryDirectory} from '../temporary.ts';

const SOURCES = join(import.meta.dirname, '../../src/system');

function output(program: string): string {
  const words = ['--input-type=module', '--disable-warning=ExperimentalWarning', '-e', program];
  return execFileSync(process.execPath, words, {encoding: 'utf8', timeout: 20_000, killSignal: 'SIGKILL'});
}

test('a signal that comes while nothing is waited for ends the next wait, and what cleans up after that comes to its end', async () => {
  const directory = temporaryDirectory();
  const [held, free] = ['held', 'free'].map((name) => JSON.stringify(join(directory, name)));
  const holder = spawn('flock', [
    '--no-fork',
    join(directory, 'held'),
    'sh',
    '-c',
    'echo && exec sleep 1000',
  ]);
  await once(holder.stdout, 'data');
  const program = `
    import {watchForInterruption} from '${SOURCES}/interruption.ts';
    import {withLock} from '${SOURCES}/lock.ts';
    watchForInterruption();
    process.kill(process.pid, 'SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 50));
    await withLock(${held ?? ''}, () => console.log('never')).catch(({message}) => console.log(message));
    await withLock(${free ?? ''}, async () => console.log('cleaned up'));
  `;
  try {
    expect(output(program)).toBe('interrupted by SIGTERM\ncleaned up\n');
  } finally {
    holder.kill();
  }
});
