// Compiles the programs in native/, each a static executable of its own:
//   node scripts/native.js ARCHITECTURE DIRECTORY
// with Node's name of the architecture. Ends with 1, and says why, where that cannot be done.
import {execFileSync} from 'node:child_process';
import {readdirSync} from 'node:fs';
import {basename, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {top} from './bundles.js';

/**
 * Compilers by Node's name of what they compile for. musl where that is at hand: the start of a static program of the GNU
 * library asks an x86 processor what it is, which a virtual one answers slowly.
 */
const COMPILERS = {
  [process.arch]: ['musl-gcc'],
  ...(process.arch === 'arm64' ? {} : {arm64: ['aarch64-linux-gnu-gcc']}),
  ...(process.arch === 'x64' ? {} : {x64: ['x86_64-linux-gnu-gcc']}),
};

const FLAGS = [
  '-std=c17',
  '-Wall',
  '-Wextra',
  '-Wpedantic',
  '-Wconversion',
  '-Wshadow',
  '-Werror',
  '-fstack-protector-strong',
];

const STATIC = ['-O2', '-static', '-s', '-Wl,-z,relro,-z,now'];

/** Into `directory`, as NAME-ARCHITECTURE. Gives why not, where there is no compiler for it or it fails. */
export function compileNative(architecture, directory) {
  const sources = readdirSync(join(top, 'native')).filter((file) => file.endsWith('.c'));
  for (const source of sources) {
    const target = join(directory, `${basename(source, '.c')}-${architecture}`);
    const [compiler, ...words] = [
      ...(COMPILERS[architecture] ?? ['']),
      ...FLAGS,
      ...STATIC,
      '-o',
      target,
      source,
    ];
    try {
      execFileSync(compiler, words, {
        cwd: join(top, 'native'),
        stdio: ['ignore', 'inherit', 'pipe'],
        encoding: 'utf8',
      });
    } catch (error) {
      // musl-gcc is a script, which says so when there is no gcc.
      const isMissing = error.code === 'ENOENT' || error.status === 127;
      return isMissing
        ? `there is no ${compiler} (or no gcc) to compile native/${source}`
        : `native/${source} does not compile: ${error.stderr ?? String(error)}`;
    }
  }
  return undefined;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const left = compileNative(process.argv[2], process.argv[3]);
  if (left !== undefined) {
    process.stderr.write(`${left}\n`);
    process.exitCode = 1;
  }
}
