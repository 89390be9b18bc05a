/** What is said, and where the work is, when a command fails whose result was to be committed. */
import {expect, test} from '@jest/globals';
import {Cli} from './chrootctl.ts';

test('a command that fails is said to be not committed, even if nothing else is to be said', async () => {
  const cli = new Cli();
  const parent = await cli.importRoot();
  const saying = async (code: number, text: string, ...words: string[]): Promise<void> => {
    expect(await cli.call(words)).toEqual({
      code,
      stdout: '',
      stderr: `${code === 124 ? 'killed: out of time (limit 1)\n' : ''}not committed: the command ended with ${text}\n`,
    });
  };
  const fails = (script: string): string[] => ['--', 'sh', '-c', `touch /x; ${script}`];
  await saying(3, '3', 'run', 'base', '--commit', ...fails('exit 3'));
  await saying(3, '3', 'run', 'base', '--commit=1.0', '--quiet', ...fails('exit 3'));
  await saying(3, '3', 'run', 'base', '--bump', 'minor', ...fails('exit 3'));
  await saying(42, '42', 'update', 'base', ...fails('exit 42'));
  await saying(137, '137 (SIGKILL)', 'update', 'base', '-q', ...fails('kill -9 $$'));
  await saying(124, '124 (timed out)', 'run', 'base', '--commit', '--timeout', '1', ...fails('sleep 20'));
  // Nothing was to be committed.
  expect(await cli.call(['run', 'base', ...fails('exit 3')])).toEqual({code: 3, stdout: '', stderr: ''});

  for (const words of [
    ['run', 'base', '--commit'],
    ['update', 'base'],
  ]) {
    const {code, stdout, stderr} = await cli.call([...words, '--json', ...fails('echo out; exit 3')]);
    expect([code, stdout, JSON.parse(stderr)]).toEqual([
      3,
      'out\n',
      {
        image: 'base',
        version: null,
        tags: [],
        parent,
        exitCode: 3,
        timedOut: false,
        work: 'discarded',
        session: null,
      },
    ]);
  }
  expect(await cli.json('ps')).toEqual([]);
  expect(await cli.json('images')).toHaveLength(1);

  const kept = await cli.call(['run', 'base', '--name', 'work', '--commit=1.0', ...fails('exit 3')]);
  expect([kept.code, kept.stderr]).toEqual([
    3,
    'not committed: the command ended with 3; session work keeps the work\n' +
      '  commit it (chrootctl commit work base:1.0), look at it (chrootctl diff work), ' +
      'go on (chrootctl exec work), or throw it away (chrootctl session rm work)\n',
  ]);
  expect(await cli.json('diff', 'work')).toEqual([{path: '/x', kind: 'added'}]);
});
