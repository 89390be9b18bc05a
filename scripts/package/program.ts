/** The program as a Debian package has it in /usr/lib/chrootctl. It runs from any other place as well. */
import {spawnSync} from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {basename, join} from 'node:path';
import {emulator, strip, type Architecture} from './architecture.ts';
import {CHECKOUT, DIST, say} from './checkout.ts';
import {makeExecutable} from './executable.ts';
import {nodeFor} from './node.ts';
import {rehearsal} from './rehearsal.ts';

/** Nobody runs them: the library, its chunks and types, and what is known about the build. */
const LEFT_AWAY = ['.cache', 'chunks', 'contents.json', 'index.js', 'packages.json', 'types'];

/** Makes `tree`: the executable and the bundles, with compiled code where a Node of `architecture` can be run here. */
export async function stageProgram(architecture: Architecture, tree: string): Promise<void> {
  if (!existsSync(join(DIST, 'main.cjs')))
    throw new Error('there is no build to make a package of: npm run build');
  mkdirSync(tree, {recursive: true});
  const program = programOf(tree);
  copyFileSync(join(await nodeFor(architecture), 'bin/node'), program);
  chmodSync(program, 0o755);
  strip(architecture, program);
  cpSync(DIST, join(tree, 'dist'), {
    recursive: true,
    filter: (path) => path === DIST || !LEFT_AWAY.includes(basename(path)),
  });
  const emulated = emulator(architecture);
  if (emulated === undefined)
    say(`${architecture}: without code compiled ahead, a start takes about 20 ms longer`);
  else compileAhead([...emulated, program], tree);
  await makeExecutable(program, join(CHECKOUT, 'scripts/package/start.cjs'));
}

/** The program in a tree that was made so. */
export function programOf(tree: string): string {
  return join(tree, 'chrootctl');
}

/**
 * Runs the commands once, in a store of their own, and keeps the compiled code of what ran. How they end is not looked
 * at: where mounts are not allowed they come less far, and a little is left to compile.
 */
function compileAhead(node: readonly string[], tree: string): void {
  const place = mkdtempSync(join(tmpdir(), 'chrootctl-package-'));
  try {
    for (const words of [...rehearsal(place), []]) {
      const script = join(CHECKOUT, 'scripts/package/compile-ahead.cjs');
      const [file = '', ...rest] = [...node, '--predictable', script, tree, ...words];
      const {error} = spawnSync(file, rest, {
        cwd: place,
        stdio: 'ignore',
        timeout: 60_000,
        env: {PATH: process.env['PATH'], HOME: place, CHROOTCTL_ROOT: join(place, 'store')},
      });
      if (error !== undefined) throw error;
    }
  } finally {
    rmSync(place, {recursive: true, force: true});
  }
  for (const file of readdirSync(join(tree, 'dist'), {recursive: true, encoding: 'utf8'})) {
    const path = join(tree, 'dist', file);
    if (file.endsWith('.cjs') && statSync(`${path}.compiled`, {throwIfNoEntry: false}) === undefined)
      throw new Error(`${file} was not compiled`);
  }
}
