/** The program as a Debian package has it in /usr/lib/chrootctl. It runs from any other place as well. */
import {chmodSync, copyFileSync, existsSync, mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {HELPERS} from '../native.js';
import {makeNative, nodeName, type Architecture} from './architecture.ts';
import {CHECKOUT, DIST} from './checkout.ts';
import {makeExecutable} from './executable.ts';

/** What is read when help is asked for: the framework's settings, and what it knows of the commands. */
const BESIDE = ['package.json', 'oclif.manifest.json'];

/** Makes `tree`. */
export async function stageProgram(architecture: Architecture, tree: string): Promise<void> {
  if (!existsSync(join(DIST, 'main.cjs')))
    throw new Error('there is no build to make a package of: npm run build');
  mkdirSync(join(tree, 'dist/native'), {recursive: true});
  for (const file of BESIDE) copyFileSync(join(DIST, file), join(tree, 'dist', file));
  for (const name of HELPERS) {
    const file = join(tree, `dist/native/${name}-${nodeName(architecture)}`);
    makeNative(name, architecture, file, 'runs start slower');
  }
  await makeExecutable(architecture, join(tree, EXECUTABLE));
  if (!makeNative('front', architecture, programOf(tree), 'there is nothing to start'))
    throw new Error('the package cannot be made without a compiler');
  copyFileSync(join(CHECKOUT, 'bin', VIRT_SERVER), join(tree, VIRT_SERVER));
  chmodSync(join(tree, VIRT_SERVER), 0o755);
}

/** By this name autopkgtest and sbuild start the program that is beside it. */
export const VIRT_SERVER = 'autopkgtest-virt-chrootctl';

/** The program with its runtime, in a tree; native/front starts it. */
const EXECUTABLE = 'dist/chrootctl';

/** What is started as chrootctl, in a tree that was made so. */
export function programOf(tree: string): string {
  return join(tree, 'chrootctl');
}
