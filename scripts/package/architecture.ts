/** The architectures that packages are made for, and how another one's programs are made and stripped here. */
import {execFileSync} from 'node:child_process';
import {compileNative} from '../native.js';
import {say} from './checkout.ts';
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

export function nodeName(architecture: Architecture): string {
  return NAMES[architecture].node;
}

export function isOwn(architecture: Architecture): boolean {
  return NAMES[architecture].node === process.arch;
}

/** @throws Error on a machine that no package is made for */
export function ownArchitecture(): Architecture {
  const own = ARCHITECTURES.find(isOwn);
  if (own === undefined) throw new Error(`no packages are made for ${process.arch}`);
  return own;
}

/**
 * Makes a program in C as `file`, when there is a compiler for it. Gives whether it is made: without, `lacking` is what
 * becomes of it.
 */
export function makeNative(
  program: string,
  architecture: Architecture,
  file: string,
  lacking: string,
): boolean {
  const {gnu, node} = NAMES[architecture];
  if (isOwn(architecture)) provide({gcc: 'gcc', 'musl-gcc': 'musl-tools'});
  else {
    const library = `/usr/${gnu}/lib/libc.a`;
    provide({[`${gnu}-gcc`]: `gcc-${gnu.replace('_', '-')}`, [library]: `libc6-dev-${architecture}-cross`});
  }
  const left = compileNative(program, node, file);
  if (left !== undefined) say(`${architecture}: ${left}, so ${lacking}`);
  return left === undefined;
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
