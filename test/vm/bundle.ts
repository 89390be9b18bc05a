/** Test files for the guest: each one file with everything that it imports, so that a start of Node costs little. */
import {build, type Plugin} from 'esbuild';
import {readFileSync, symlinkSync} from 'node:fs';
import {SourceMap, type SourceMapPayload} from 'node:module';
import {basename, dirname, join, relative} from 'node:path';
import {pathToFileURL} from 'node:url';
import {CHECKOUT, WORK} from './work.ts';

const HARNESS = join(import.meta.dirname, 'harness');

/** Path of the guest's reporter in the work directory. */
export const REPORTER = 'test/vm/harness/reporter.mjs';

/** Bundles these sources into the work directory, each where it has its place in the checkout, as `.mjs`. */
export async function bundle(
  suites: readonly string[],
  programs: readonly string[],
  work: string,
): Promise<void> {
  await build({
    absWorkingDir: CHECKOUT,
    entryPoints: [...suites, ...programs, relative(CHECKOUT, join(HARNESS, 'reporter.ts'))],
    outbase: CHECKOUT,
    outdir: work,
    outExtension: {'.js': '.mjs'},
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    alias: {'@jest/globals': join(HARNESS, 'globals.ts')},
    // What packages written for require() expect to find.
    banner: {
      js: [
        "import {createRequire as __createRequire} from 'node:module';",
        'const require = __createRequire(import.meta.url);',
        'const {filename: __filename, dirname: __dirname} = import.meta;',
      ].join(' '),
    },
    plugins: [placesInGuest],
    sourcemap: 'external',
    sourcesContent: false,
    logLevel: 'warning',
  });
  // They are started under their own names; Node goes by where a link leads, and need not strip types.
  for (const program of programs) {
    const bundled = bundledName(program);
    symlinkSync(basename(bundled), join(work, program));
  }
}

export function bundledName(source: string): string {
  return source.replace(/\.ts$/, '.mjs');
}

/** A module that asks where it is gets the path of its source in the guest, not that of the bundle. */
const placesInGuest: Plugin = {
  name: 'places-in-guest',
  setup(build) {
    build.onLoad({filter: /\.ts$/}, ({path}) => {
      const place = join(WORK, relative(CHECKOUT, path));
      const contents = readFileSync(path, 'utf8')
        .replaceAll('import.meta.dirname', JSON.stringify(dirname(place)))
        .replaceAll('import.meta.url', JSON.stringify(pathToFileURL(place).href));
      return {contents, loader: 'ts'};
    });
  },
};

/** Gives the guest's stack traces the places in the sources. */
export function translateStack(stack: string, work: string): string {
  const maps = new Map<string, SourceMap>();
  return stack.replace(
    /(?:file:\/\/)?\/run\/work\/(\S+?\.mjs):(\d+):(\d+)/g,
    (place, file: string, line: string, column: string) => {
      const path = join(work, `${file}.map`);
      const map = maps.get(path) ?? new SourceMap(JSON.parse(readFileSync(path, 'utf8')) as SourceMapPayload);
      maps.set(path, map);
      const origin = map.findOrigin(Number(line), Number(column));
      return 'fileName' in origin
        ? `${join(dirname(path), origin.fileName)}:${origin.lineNumber}:${origin.columnNumber}`
        : place;
    },
  );
}
