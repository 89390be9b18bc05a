/** Standard output and standard error that take nothing. */
import {afterEach, expect, test} from '@jest/globals';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {CHECKOUT, Cli, cleanUp, type Outcome} from './chrootctl.ts';

afterEach(cleanUp);

/** A reader that is gone before anything is written. */
const GONE =
  'import os,sys; r,w=os.pipe(); os.close(r); os.dup2(w,int(sys.argv[1])); os.execv(sys.argv[2],sys.argv[2:])';

const PLACES = {
  'a full disk': (fd: number) => ['sh', '-c', `exec "$@" ${fd}>/dev/full`, 'sh'],
  'a closed pipe': (fd: number) => ['python3', '-c', GONE, String(fd)],
};

/** Every command with an answer, in an order in which each can be carried out. */
const ANSWERS: readonly (readonly string[])[] = [
  ['init'],
  ['import', 'ROOT', 'other'],
  ['images'],
  ['images', '--json'],
  ['images', '--tree'],
  ['images', '--format', 'yaml'],
  ['info'],
  ['inspect', 'base'],
  ['history', 'base'],
  ['diff', 'work'],
  ['ps'],
  ['ps', '--size', '--json'],
  ['session', 'list'],
  ['session', 'path', 'work'],
  ['session', 'begin', 'base'],
  ['session', 'begin', 'base', '--name', 'unheard'],
  ['commit', 'work'],
  ['policy', 'base'],
  ['policy', 'base', '--profile', 'buildd'],
  ['tag', 'base', 'mine'],
  ['rollback', 'base'],
  ['untag', 'base:mine'],
  ['doctor'],
  ['prune', '--dry-run'],
  ['prune'],
  ['autopkgtest', 'base'],
  ['session', 'end', 'ended', '--commit'],
  ['session', 'rm', 'work'],
  ['export', 'base', '-'],
  ['rm', '--force', 'base'],
  ['gc', '--json'],
  ['--version'],
  ['--help'],
  ['diff', '--help'],
  ['session'],
];

/** Whether something is done by the time that it is to be told. The session that is begun is ended again. */
function isDoing([first = '', ...rest]: readonly string[]): boolean {
  if (rest.includes('--dry-run')) return false;
  if (first === 'policy') return rest.includes('--profile');
  if (first === 'session') return ['end', 'rm'].includes(rest[0] ?? '');
  return ['init', 'import', 'commit', 'tag', 'rollback', 'untag', 'prune', 'rm', 'gc'].includes(first);
}

/** What has nothing to say on standard output that is its own. */
const SILENT = ['bootstrap', 'exec', 'run', 'update'];

test('every command is among them', () => {
  const ids = Object.keys(
    (
      JSON.parse(readFileSync(join(CHECKOUT, 'dist/oclif.manifest.json'), 'utf8')) as {
        commands: Record<string, unknown>;
      }
    ).commands,
  );
  const tried = ids.filter((id) =>
    ANSWERS.some((words) => words.join(':') === id || words.join(':').startsWith(`${id}:`)),
  );
  expect([...tried, ...SILENT].sort()).toEqual(ids.sort());
});

test.each(Object.entries(PLACES))('an answer that goes to %s is an error in one line', async (_, place) => {
  const cli = new Cli();
  await cli.importRoot();
  for (const name of ['work', 'ended']) await cli.ok('session', 'begin', 'base', '--name', name);
  await cli.ok('exec', 'work', '--', 'touch', '/root/x');
  await cli.ok('run', '--commit', '-q', 'base', '--', 'touch', '/root/y');
  await cli.ok('rollback', 'base');
  for (const words of ANSWERS) {
    const args = words.map((word) => (word === 'ROOT' ? join(cli.directory, 'root') : word));
    if (words.includes('ROOT')) await cli.ok('export', 'base', join(cli.directory, 'root'));
    const outcome = await cli.call(args, {through: place(1)});
    const code = isDoing(words) ? 8 : 1;
    expect({words, ...outcome}).toEqual({words, code, stdout: '', stderr: expect.any(String)});
    expect({words, ...shapeOf(outcome)}).toMatchObject({words, lines: 2, isDump: false});
  }
  expect(await cli.json('ps')).toEqual([]);
  expect(readdirSync(join(cli.store, 'sessions'))).toEqual([]);
  expect(await cli.ok('doctor')).toBe('all is well');
});

test.each(Object.entries(PLACES))('what has been done is said beside %s', async (_, place) => {
  const cli = new Cli();
  await cli.importRoot();
  const {stderr, code} = await cli.call(['tag', 'base', 'mine'], {through: place(1)});
  const [, hint] = stderr.split('\n');
  expect([code, hint]).toEqual([8, expect.stringMatching(/^ {2}it is done all the same: base:mine -> /)]);
  expect(await cli.ok('run', 'base:mine', '--', 'echo', 'there')).toBe('there');
  const inJson = await cli.call(['tag', 'base', 'more', '--json'], {through: place(1)});
  expect(JSON.parse(inJson.stderr)).toEqual({
    error: expect.objectContaining({code: 'INCOMPLETE', image: 'base', tag: 'more'}),
  });
});

test.each(Object.entries(PLACES))('an error that goes to %s keeps its exit code', async (_, place) => {
  const cli = new Cli();
  await cli.importRoot();
  expect(await cli.call(['inspect', 'none'], {through: place(2)})).toEqual({code: 3, stdout: '', stderr: ''});
  const {code, stderr} = await cli.call(['inspect', 'none', '--json'], {through: place(1)});
  expect([code, JSON.parse(stderr)]).toEqual([3, {error: expect.objectContaining({code: 'NOT_FOUND'})}]);
});

test.each(Object.entries(PLACES))('a remark that goes to %s is no success', async (_, place) => {
  const cli = new Cli();
  await cli.importRoot();
  const committed = await cli.call(['run', '--commit', 'base', '--', 'touch', '/x'], {through: place(2)});
  expect(committed.code).toBe(8);
  expect((await cli.json<unknown[]>('images')).length).toBe(2);
  // Nothing is to be said here.
  const silent = await cli.call(['run', 'base', '--', 'echo', 'heard'], {through: place(2)});
  expect(silent).toEqual({code: 0, stdout: 'heard\n', stderr: ''});
});

test('an export whose reader goes away in the middle', async () => {
  const cli = new Cli();
  await cli.importRoot();
  const pipeline = ['bash', '-c', 'set -o pipefail; "$@" | head -c 10 >/dev/null', 'bash'];
  for (const format of ['none', 'gzip'] as const) {
    const outcome = await cli.call(['export', 'base', '-', '--compression', format], {through: pipeline});
    expect(outcome).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/reader of the archive went away/),
    });
  }
  expect(readdirSync(join(cli.store, 'sessions'))).toEqual([]);
});

function shapeOf({stderr}: Outcome): {lines: number; isDump: boolean} {
  const lines = stderr.trimEnd().split('\n');
  // In JSON it is an object.
  return {lines: lines[0] === '{' ? 2 : lines.length, isDump: /^\s+at |node:/m.test(stderr)};
}
