/** The architectures that packages are made for, and how another one's programs are run and stripped here. */
import {execFileSync} from 'node:child_process';
import {say} from './checkout.ts';
import {isThere, provide} from './host.ts';

export const ARCHITECTURES = ['amd64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

interface Names {
  /** As Node and npm call it. */
  node: string;
  /** As the GNU tools call it. */
  gnu: string;
  qemu: string;
}

const NAMES: Record<Architecture, Names> = {
  amd64: {node: 'x64', gnu: 'x86_64-linux-gnu', qemu: 'qemu-x86_64-static'},
  arm64: {node: 'arm64', gnu: 'aarch64-linux-gnu', qemu: 'qemu-aarch64-static'},
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

/** The words before those of a program of `architecture`, or undefined (said) when it cannot be run here. */
export function emulator(architecture: Architecture): string[] | undefined {
  if (isOwn(architecture)) return [];
  const {gnu, qemu} = NAMES[architecture];
  const missing = provide({
    [qemu]: 'qemu-user-static',
    [`/usr/${gnu}/lib/libc.so.6`]: `libc6-${architecture}-cross`,
    [`/usr/${gnu}/lib/libstdc++.so.6`]: `libstdc++6-${architecture}-cross`,
    [`/usr/${gnu}/lib/libgcc_s.so.1`]: `libgcc-s1-${architecture}-cross`,
  });
  if (missing.length === 0) return [qemu, '-L', `/usr/${gnu}`];
  say(`${architecture}: programs of it do not run here without ${missing.join(', ')}`);
  return undefined;
}

/** Takes the symbols away, which are for debuggers, when there is a strip(1) for it. */
export function strip(architecture: Architecture, file: string): void {
  const {gnu} = NAMES[architecture];
  const program = isOwn(architecture) ? 'strip' : `${gnu}-strip`;
  const name = isOwn(architecture) ? 'binutils' : `binutils-${gnu.replace('_', '-')}`;
  provide({[program]: name});
  if (isThere(program)) execFileSync(program, ['--remove-section=.comment', file]);
  else say(`${architecture}: without ${name} Node keeps its symbols, and the package is larger`);
}
