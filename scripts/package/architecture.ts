/** The architectures that packages are made for, and how another one's programs are made and stripped here. */
import {execFileSync, spawnSync} from 'node:child_process';
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {CHECKOUT, say} from './checkout.ts';
import {isThere, provide} from './host.ts';

export const ARCHITECTURES = ['amd64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

interface Names {
  /** As Node and npm call it. */
  node: string;
  /** As the GNU tools call it. */
  gnu: string;
}

const NAMES: Record<Architecture, Names> = {
  amd64: {node: 'x64', gnu: 'x86_64-linux-gnu'},
  arm64: {node: 'arm64', gnu: 'aarch64-linux-gnu'},
};

export function isOwn(architecture: Architecture): boolean {
  return NAMES[architecture].node === process.arch;
}

/** @throws Error on a machine that no package is made for */
export function ownArchitecture(): Architecture {
  const own = ARCHITECTURES.find(isOwn);
  if (own === undefined) throw new Error(`no packages are made for ${process.arch}`);
  return own;
}

/** Makes the programs in C in `directory`, when there is a compiler for them; without, chrootctl does without. */
export function makeNative(architecture: Architecture, directory: string): void {
  const {gnu, node} = NAMES[architecture];
  mkdirSync(directory, {recursive: true});
  if (isOwn(architecture)) provide({gcc: 'gcc', 'musl-gcc': 'musl-tools'});
  else {
    const library = `/usr/${gnu}/lib/libc.a`;
    provide({[`${gnu}-gcc`]: `gcc-${gnu.replace('_', '-')}`, [library]: `libc6-dev-${architecture}-cross`});
  }
  const words = [join(CHECKOUT, 'scripts/native.js'), node, directory];
  const {status, stderr} = spawnSync(process.execPath, words, {encoding: 'utf8'});
  if (status !== 0) say(`${architecture}: ${stderr.trim()}, so runs start a little slower`);
}

/** Takes the symbols away, which are for debuggers, when there is a strip(1) for it. */
export function strip(architecture: Architecture, file: string): void {
  const {gnu} = NAMES[architecture];
  const program = isOwn(architecture) ? 'strip' : `${gnu}-strip`;
  const name = isOwn(architecture) ? 'binutils' : `binutils-${gnu.replace('_', '-')}`;
  provide({[program]: name});
  if (isThere(program)) execFileSync(program, ['--remove-section=.comment', file]);
  else say(`${architecture}: without ${name} the runtime keeps its symbols, and the package is larger`);
}
