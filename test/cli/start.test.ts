import {afterEach, describe, expect, test} from '@jest/globals';
import {spawnSync} from 'node:child_process';
import {cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {commandFirst, findCommand} from '../../commands/shared/find-command.ts';
import {temporaryDirectory} from '../temporary.ts';
import {callAsNobody, CHECKOUT, Cli, cleanUp, ON_NODE} from './chrootctl.ts';

afterEach(cleanUp);

const DIST = join(CHECKOUT, 'dist');

/** Which sources and packages are in the bundle of each command. */
const contents = JSON.parse(readFileSync(join(DIST, 'contents.json'), 'utf8')) as Record<string, string[]>;

describe('what a start loads', () => {
  test.each(['run', 'exec', 'ps', 'images'])(
    'the bundle of %s holds no help, no archives, no helper programs',
    (name) => {
      const held = contents[name] ?? [];
      expect(held).toContain('node_modules/@oclif/core/lib/parser/parse.js');
      expect(held).toContain('src/store/store.ts');
      expect(
        held.filter((part) =>
          /^src\/(?:archive|bootstrap|upkeep)|core\/lib\/(?:help|config|ux|errors|command\.js)|node_modules\/(?:execa|yaml|semver|ejs|debug|tar-stream)\//.test(
            part,
          ),
        ),
      ).toEqual([]);
    },
  );

  test('a run evaluates three files of ours and no slow module of Node', async () => {
    const cli = new Cli();
    await cli.importRoot();
    await cli.ok('run', 'base', '--', 'true'); // The first one makes the copies of the host's tools.
    const loaded = await loadedBy(cli, ['run', 'base', '--', 'true']);
    expect(loaded.files).toEqual(['bin/start.cjs', 'dist/commands/run.cjs', 'dist/main.cjs']);
    expect(loaded.builtins.filter((name) => /crypto|readline|\btls|http|zlib/.test(name))).toEqual([]);
  });

  test.each([
    ['run --commit', ['run', '--commit', '--quiet', 'base', '--', 'touch', '/new']],
    ['session begin', ['session', 'begin', 'base', '--name', 'work']],
    ['commit', ['commit', 'work']],
    ['session end', ['session', 'end', '--quiet', 'work']],
    ['diff', ['diff', 'work']],
  ])('%s loads no library that starts programs', async (name, words) => {
    const cli = new Cli({driver: 'overlay'});
    await cli.importRoot();
    if (name !== 'session begin') await cli.ok('session', 'begin', 'base', '--name', 'work');
    if (name !== 'session begin') await cli.ok('exec', 'work', '--', 'touch', '/new');
    const {files} = await loadedBy(cli, words);
    expect(files.filter((file) => /execa|framework/.test(file))).toEqual([]);
  });

  test('a version range and yaml load their package, and nothing else more', async () => {
    const cli = new Cli();
    await cli.importRoot('base:1.2.0');
    const range = await loadedBy(cli, ['inspect', 'base:^1']);
    expect(range.files).toContain('dist/apart/semver.cjs');
    expect(range.files.filter((file) => /execa|oclif|framework/.test(file))).toEqual([]);
    const yaml = await cli.call(['images', '--format', 'yaml']);
    expect([yaml.code, yaml.stdout]).toEqual([0, expect.stringMatching(/^- image: base$/m)]);
  });

  test('help loads the framework and no command', async () => {
    const {files} = await loadedBy(new Cli(), ['run', '--help']);
    expect(files).toEqual(['bin/start.cjs', 'dist/framework.cjs', 'dist/main.cjs']);
  });
});

/** The files of ours and the modules of Node that a call loads, as the process itself tells at its end. */
async function loadedBy(cli: Cli, args: readonly string[]): Promise<{files: string[]; builtins: string[]}> {
  const spy = join(cli.directory, 'spy.cjs');
  const report = join(cli.directory, 'loaded.json');
  writeFileSync(
    spy,
    `const {writeFileSync} = require('node:fs');
     process.execve = undefined;
     process.on('exit', () => writeFileSync(${JSON.stringify(report)}, JSON.stringify({
       files: Object.keys(require.cache), builtins: process.moduleLoadList,
     })));`,
  );
  const {code, stderr} = await cli.call(args, {env: {NODE_OPTIONS: `--require ${spy}`}});
  expect([code, stderr]).toEqual([0, '']);
  const loaded = JSON.parse(readFileSync(report, 'utf8')) as {files: string[]; builtins: string[]};
  return {
    files: loaded.files
      .filter((file) => file.startsWith(CHECKOUT))
      .map((file) => file.slice(CHECKOUT.length + 1))
      .sort(),
    builtins: loaded.builtins,
  };
}

describe('the cache of compiled code', () => {
  test('is the owner’s alone, whatever the umask', () => {
    const copy = checkoutCopy();
    const result = spawnSync('sh', ['-c', `umask 0; exec ${join(copy, 'bin/chrootctl')} ps`], {
      env: {...process.env, CHROOTCTL_ROOT: join(copy, 'store')},
    });
    expect(result.status).toBe(0);
    const cache = join(copy, 'dist/.cache');
    expect(statSync(cache).mode & 0o777).toBe(0o700);
    const [inner = ''] = readdirSync(cache);
    expect(statSync(join(cache, inner)).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(cache, inner)).length).toBeGreaterThan(1);
    // The umask was changed for the cache alone: with 077 this would be 700.
    expect(statSync(join(copy, 'store')).mode & 0o777).toBe(0o755);
  });

  test('a checkout that cannot be written works without', () => {
    const copy = checkoutCopy();
    spawnSync('chmod', ['-R', 'a+rX', copy]);
    spawnSync('chmod', ['a+rx', join(copy, '..')]);
    const modules = {from: join(CHECKOUT, 'node_modules'), to: join(copy, 'node_modules')};
    const result = callAsNobody(modules, [join(copy, 'bin/chrootctl'), '--version']);
    expect([result.status, result.stderr]).toEqual([0, '']);
    expect(readdirSync(join(copy, 'dist'))).not.toContain('.cache');
  });
});

/** bin/ and dist/ in a place of their own, with the same Node, and no cache yet. */
function checkoutCopy(): string {
  const copy = join(temporaryDirectory(), 'checkout');
  mkdirSync(join(copy, 'node_modules/node'), {recursive: true});
  cpSync(join(CHECKOUT, 'bin'), join(copy, 'bin'), {recursive: true});
  cpSync(DIST, join(copy, 'dist'), {recursive: true, filter: (path) => !path.endsWith('/.cache')});
  symlinkSync(process.execPath.replace(/\/node$/, ''), join(copy, 'node_modules/node/bin'));
  return copy;
}

describe('the launcher', () => {
  test('says in one line that the Node on PATH is too old', () => {
    const directory = temporaryDirectory();
    cpSync(join(CHECKOUT, 'bin'), join(directory, 'bin'), {recursive: true});
    // A Node that claims to be an old one, and knows nothing of what came later.
    const old = join(directory, 'old.cjs');
    writeFileSync(
      old,
      `Object.defineProperty(process.versions, 'node', {value: '10.24.0'});
       require('module').enableCompileCache = undefined;`,
    );
    mkdirSync(join(directory, 'path'));
    writeFileSync(
      join(directory, 'path/node'),
      `#!/bin/sh\nexec '${process.execPath}' --require '${old}' "$@"\n`,
      {mode: 0o755},
    );
    const {status, stdout, stderr} = spawnSync(join(directory, 'bin/chrootctl'), ['ps'], {
      env: {PATH: `${join(directory, 'path')}:/usr/bin:/bin`},
      encoding: 'utf8',
    });
    expect([status, stdout, stderr]).toEqual([
      1,
      '',
      'chrootctl: needs Node.js 22 or newer, this is 10.24.0 (in a checkout: npm run setup)\n',
    ]);
  });

  test('says in one line that nothing is built yet', () => {
    const directory = temporaryDirectory();
    cpSync(join(CHECKOUT, 'bin'), join(directory, 'bin'), {recursive: true});
    const {status, stderr} = spawnSync(process.execPath, [join(directory, 'bin/start.cjs'), 'ps'], {
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([1, 'chrootctl: is not built yet (npm run setup, or npm run build)\n']);
    expect(readdirSync(directory)).toEqual(['bin']);
  });
});

describe('words that name no command', () => {
  test.each([
    [['imags'], `there is no command 'imags'`, 'did you mean images?'],
    [['session', 'bgin'], `there is no command 'session bgin'`, 'did you mean session begin?'],
    [['frobnicate'], `there is no command 'frobnicate'`, 'chrootctl help shows the commands'],
    [['help', 'imags'], `there is no command 'imags'`, 'did you mean images?'],
    [['imags', '--help'], `there is no command 'imags'`, 'did you mean images?'],
    [['--bogus', 'images'], `'--bogus' is not a command`, 'the command comes first'],
    [['constructor'], `there is no command 'constructor'`, 'chrootctl help'],
    [['../main'], `there is no command '../main'`, 'chrootctl help'],
  ])('%j', async (args, message, hint) => {
    const cli = new Cli();
    const {code, stdout, stderr} = await cli.call(args);
    const [first, second = '', ...more] = stderr.split('\n');
    expect([code, stdout, first, second.slice(0, hint.length + 2), more]).toEqual([
      2,
      '',
      `chrootctl: ${message}`,
      `  ${hint}`,
      [''],
    ]);
    const asJson = await cli.call([...args, '--json']);
    expect([asJson.code, asJson.stderr]).toEqual([2, '']);
    expect(JSON.parse(asJson.stdout)).toMatchObject({error: {code: 'USAGE', message}});
  });
});

describe('wrong usage', () => {
  test.each([
    [['run', 'base', '--bogus'], 'Nonexistent flag: --bogus'],
    [['run'], 'Missing 1 required arg:'],
    [['run', 'base', '--pids-limit', 'x'], 'Expected an integer but received: x'],
    [['run', 'base', '--pids-limit', '0'], 'Expected an integer greater than or equal to 1 but received: 0'],
    [['run', 'base', '--network', 'x'], 'Expected --network=x to be one of: host, none'],
    [['run', 'base', '-w', '/a', '-w', '/b'], 'Flag --workdir can only be specified once'],
    [['run', 'base', '--memory'], 'Flag --memory expects a value'],
    [['ps', 'x'], 'Unexpected argument: x'],
  ])('%j: the framework’s complaint, in our form', async (args, message) => {
    const {code, stdout, stderr} = await new Cli().call(args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^chrootctl: [^\n]+\n {2}[^\n]+\n$/);
    expect(stderr).toContain(message);
  });
});

describe('help and version', () => {
  test('no words, help, --help and -h show all commands', async () => {
    const cli = new Cli();
    const {code, stdout, stderr} = await cli.call([]);
    expect([code, stderr]).toEqual([0, '']);
    for (const id of Object.keys(contents))
      expect(stdout).toMatch(new RegExp(`^  ${id.split('.')[0] ?? ''} `, 'm'));
    for (const args of [['help'], ['--help'], ['-h'], ['--', 'x']]) {
      expect(await cli.call(args)).toEqual({code: 0, stdout, stderr: ''});
    }
  });

  test('help COMMAND is COMMAND --help, for commands and topics', async () => {
    const cli = new Cli();
    for (const words of [['run'], ['session'], ['session', 'begin']]) {
      const {code, stdout, stderr} = await cli.call([...words, '--help']);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toContain(`$ chrootctl ${words.join(' ')}`);
      expect(await cli.call(['help', ...words])).toEqual({code, stdout, stderr});
    }
    expect((await cli.call(['session'])).stdout).toContain('session begin');
  });

  test('help after -- is the command’s, before it is ours', async () => {
    const cli = new Cli();
    await cli.importRoot();
    expect(await cli.ok('run', 'base', '--', 'echo', '--help', '--version')).toBe('--help --version');
    expect(await cli.ok('run', 'base', '-h', '--', 'echo')).toContain('USAGE');
  });

  test('what run --help says of itself', async () => {
    const help = await new Cli().ok('run', '--help');
    expect(help).toMatch(
      /^Run a command in a fresh clone of a version, and throw the clone away\.\n\nUSAGE\n {2}\$ chrootctl run REF/,
    );
    for (const flag of [
      '-e, --env=K=V...',
      '-v, --volume=',
      '--cap-add=',
      '--commit',
      '--json',
      '--root=DIR',
    ]) {
      expect(help).toContain(flag);
    }
    expect(help).not.toContain('--commit-tag');
  });

  test('--version', async () => {
    const {version} = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as {version: string};
    const words = `chrootctl/${version} ${process.platform}-${process.arch}`;
    const {stdout} = await new Cli().call(['--version'], {program: ON_NODE});
    expect(stdout.trimEnd()).toBe(`${words} node-${process.version}`);
    expect(await new Cli().ok('--version')).toMatch(
      new RegExp(`^${words} (?:node|bun)-v\\d+\\.\\d+\\.\\d+$`),
    );
  });
});

describe('which command is meant', () => {
  const ids = ['images', 'run', 'session:begin'];

  test('one word, two words, or two with a colon', () => {
    expect(findCommand(['run', 'x'], ids)).toEqual({id: 'run', depth: 1});
    expect(findCommand(['session', 'begin', 'x'], ids)).toEqual({id: 'session:begin', depth: 2});
    expect(findCommand(['session:begin', 'x'], ids)).toEqual({id: 'session:begin', depth: 1});
    expect(findCommand(['session'], ids)).toBeUndefined();
    expect(findCommand([], ids)).toBeUndefined();
  });

  test('global flags may stand before the command', async () => {
    expect(commandFirst(['--root', 'run', '--json', 'session', 'begin', 'x'], ids)).toEqual([
      'session',
      'begin',
      '--root',
      'run',
      '--json',
      'x',
    ]);
    expect(commandFirst(['run', '--root', 'x'], ids)).toEqual(['run', '--root', 'x']);
    const cli = new Cli();
    await cli.importRoot();
    const elsewhere = {env: {CHROOTCTL_ROOT: '/nonexistent'}};
    const {stdout} = await cli.call(
      ['--root', cli.store, 'run', 'base', '--', 'echo', '--root', 'x'],
      elsewhere,
    );
    expect(stdout).toBe('--root x\n');
    expect((await cli.call(['-q', `--root=${cli.store}`, '--json', 'images'], elsewhere)).stdout).toMatch(
      /^\[/,
    );
  });
});

test('the library is there for others', async () => {
  const library = (await import(pathToFileURL(join(DIST, 'index.js')).href)) as Record<string, unknown>;
  expect(Object.keys(library)).toEqual(expect.arrayContaining(['ChrootctlError', 'Store', 'run']));
});
