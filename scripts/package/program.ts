/** The program as a Debian package has it in /usr/lib/chrootctl. It runs from any other place as well. */
import {copyFileSync, existsSync, mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {makeNative, type Architecture} from './architecture.ts';
import {DIST} from './checkout.ts';
import {makeExecutable} from './executable.ts';

/** What is read when help is asked for: the framework's settings, and what it knows of the commands. */
const BESIDE = ['package.json', 'oclif.manifest.json'];

/** Makes `tree`. */
export async function stageProgram(architecture: Architecture, tree: string): Promise<void> {
  if (!existsSync(join(DIST, 'main.cjs')))
    throw new Error('there is no build to make a package of: npm run build');
  mkdirSync(join(tree, 'dist'), {recursive: true});
  for (const file of BESIDE) copyFileSync(join(DIST, file), join(tree, 'dist', file));
  makeNative(architecture, join(tree, 'dist/native'));
  await makeExecutable(architecture, programOf(tree));
}

/** The program in a tree that was made so. */
export function programOf(tree: string): string {
  return join(tree, 'chrootctl');
}
