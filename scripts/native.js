// Compiles the programs in native/, a directory each, to static executables; what they have in common is in native/common,
// and in native/wall what shuts commands in, of which there are two.
import {execFileSync} from 'node:child_process';
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {top} from './bundles.js';
import {wall} from './wall.js';

/**
 * Compilers by Node's name of what they compile for. musl where that is at hand: the start of a static program of the GNU
 * library asks an x86 processor what it is, which a virtual one answers slowly.
 */
const COMPILERS = {
  [process.arch]: ['musl-gcc'],
  ...(process.arch === 'arm64' ? {} : {arm64: ['aarch64-linux-gnu-gcc']}),
  ...(process.arch === 'x64' ? {} : {x64: ['x86_64-linux-gnu-gcc']}),
};

/** Those that stand beside the program's own files, each by its name and architecture; without them a run starts slower. */
export const HELPERS = ['supervisor', 'inside'];

/** What is right, and what is not, whatever it is compiled for. */
export const FLAGS = [
  '-std=c17',
  '-Wall',
  '-Wextra',
  '-Wpedantic',
  '-Wconversion',
  '-Wshadow',
  '-Werror',
  '-fstack-protector-strong',
  ...['common', 'supervisor', 'wall', 'wall/own'].map((name) => `-I${join(top, 'native', name)}`),
];

const STATIC = ['-O2', '-static', '-s', '-Wl,-z,relro,-z,now'];

/**
 * Makes the executable `target`, for an architecture by Node's name. Gives why not, where there is no compiler for it or
 * it fails.
 */
export function compileNative(program, architecture, target) {
  const [compiler, ...words] = [...(COMPILERS[architecture] ?? ['']), ...FLAGS, ...STATIC, ...wallFlags()];
  try {
    execFileSync(compiler, [...words, '-o', target, ...sourcesOf(program)], {
      stdio: ['ignore', 'inherit', 'pipe'],
      encoding: 'utf8',
    });
  } catch (error) {
    // musl-gcc is a script, which says so when there is no gcc.
    const isMissing = error.code === 'ENOENT' || error.status === 127;
    return isMissing
      ? `there is no ${compiler} (or no gcc) to compile native/${program}`
      : `native/${program} does not compile: ${error.stderr ?? String(error)}`;
  }
  return undefined;
}

/** What tells a source which wall it is compiled for. */
export function wallFlags() {
  return wall() === 'own' ? ['-DOWN_WALL'] : [];
}

/** Paths. */
export function sourcesOf(program) {
  const walls = program === 'supervisor' ? [`wall/${wall()}`] : [];
  return [program, ...(HELPERS.includes(program) ? ['common'] : []), ...walls]
    .map((name) => join(top, 'native', name))
    .flatMap((directory) => readdirSync(directory).map((file) => join(directory, file)))
    .filter((file) => file.endsWith('.c'));
}
