// Bundles the program into dist/. A start loads two files: main, which finds the command, and the command's bundle, in
// which there is all that it needs; one file is faster to load than many, and CommonJS than modules. Packages that few
// need are files of their own. The library (index.js) is a module with chunks. Types are checked elsewhere
// (npm run typecheck).
import {execFileSync} from 'node:child_process';
import {existsSync, mkdirSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {createRequire, enableCompileCache, flushCompileCache} from 'node:module';
import {basename, dirname, join, relative} from 'node:path';
import {Plugin} from '@oclif/core/config';
import {build} from 'esbuild';
import {commandEntries, commands, common, name, oclif, program, top, version} from './bundles.js';
import {lazyRequires} from './lazy-requires.js';
import {compileNative, HELPERS} from './native.js';

/** Directories of the npm packages that are in what was bundled, as paths from the top. */
const bundled = new Set();
const dist = join(top, 'dist');
const made = `${dist}.${process.pid}`;

try {
  await buildProgram();
  await buildLibrary();
  await describeCommands();
  buildNative();
  // Whose licences go with the bundles.
  writeFileSync(join(made, 'packages.json'), JSON.stringify([...bundled].sort()));
  // In place only when it is complete: a build that fails leaves the last one working.
  const last = `${made}.last`;
  if (existsSync(dist)) renameSync(dist, last);
  renameSync(made, dist);
  rmSync(last, {recursive: true, force: true});
  compileAhead();
} finally {
  rmSync(made, {recursive: true, force: true});
}

/** Bundles, and remembers of which packages. */
async function bundle(options) {
  const {metafile} = await build({...options, metafile: true});
  for (const {inputs} of Object.values(metafile.outputs)) {
    for (const input of Object.keys(inputs)) {
      const found = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input);
      if (found !== null) bundled.add(found[0]);
    }
  }
  return metafile;
}

async function buildProgram() {
  await bundle({
    ...program,
    entryPoints: [
      {in: 'commands/shared/entry.ts', out: 'main'},
      {in: 'commands/shared/framework.ts', out: 'framework'},
    ],
    outdir: made,
    plugins: [lazyRequires([])],
  });
  const apart = new Map();
  const metafile = await bundle({
    ...program,
    entryPoints: commands.map(({path, file}) => ({in: `command:${path}`, out: file})),
    outdir: join(made, 'commands'),
    plugins: [commandEntries(), lazyRequires(['semver']), partsApart(apart)],
  });
  await bundle({
    ...program,
    entryPoints: [...apart].map(([file, path]) => ({in: path, out: file})),
    outdir: join(made, 'apart'),
  });
  writeFileSync(join(made, 'contents.json'), JSON.stringify(contentsOf(metafile)));
}

/** Which sources and packages are in which bundle: by it a test sees that a hot path stays free of the rest. */
function contentsOf({outputs}) {
  return Object.fromEntries(
    Object.entries(outputs).map(([output, {inputs}]) => [
      basename(output, '.cjs'),
      Object.keys(inputs).map((input) => input.replace(/^.*node_modules\//, 'node_modules/')),
    ]),
  );
}

/**
 * Gives files of their own, one for all commands, to what is seldom needed at run time: packages that a source imports
 * dynamically or by a lazy require, and what the framework's parser needs to say what was wrong.
 */
function partsApart(apart) {
  const setApart = (file, path) => {
    apart.set(file, path);
    return {path: `../apart/${file}.cjs`, external: true};
  };
  return {
    name: 'parts-apart',
    setup(build) {
      build.onResolve({filter: /^[a-z][^:]*$/}, ({kind, path, importer}) =>
        kind !== 'import-statement' && /^(?:src|commands)\//.test(relative(top, importer))
          ? setApart(path, path)
          : undefined,
      );
      build.onResolve({filter: /^\.\.?\/(?:errors|help|logger)$/}, ({path, importer}) =>
        /\/@oclif\/core\/lib\/(?:parser\/)?\w+\.js$/.test(importer)
          ? setApart(`oclif-${basename(dirname(importer))}-${basename(path)}`, join(dirname(importer), path))
          : undefined,
      );
    },
  };
}

async function buildLibrary() {
  await bundle({
    ...common,
    entryPoints: ['src/index.ts'],
    outdir: made,
    splitting: true,
    format: 'esm',
    banner: {
      js: "import {createRequire as __createRequire} from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    chunkNames: 'chunks/[name]-[hash]',
  });
}

/**
 * What the framework reads to print help, beside the bundle: its settings, and a manifest, which spares it to load
 * the commands.
 */
async function describeCommands() {
  const classes = join(made, 'classes.cjs');
  await build({
    ...program,
    stdin: {
      contents: `export const COMMANDS = {${commands
        .map(({path, id}) => `'${id}': require('./commands/${path}.ts').default`)
        .join(',')}};`,
      resolveDir: top,
    },
    outfile: classes,
  });
  const settings = {
    ...oclif,
    commands: {strategy: 'explicit', target: './classes.cjs', identifier: 'COMMANDS'},
  };
  writeFileSync(join(made, 'package.json'), JSON.stringify({name, version, type: 'module', oclif: settings}));
  const plugin = new Plugin({root: made, ignoreManifest: true, errorOnManifestCreate: true});
  await plugin.load();
  writeFileSync(join(made, 'oclif.manifest.json'), JSON.stringify(plugin.manifest));
  // From now on nobody loads a class through the framework.
  rmSync(classes);
}

/** The programs in C, where there is a compiler for them; the engine does without. */
function buildNative() {
  mkdirSync(join(made, 'native'));
  for (const name of HELPERS) {
    const left = compileNative(name, process.arch, join(made, `native/${name}-${process.arch}`));
    if (left !== undefined) process.stderr.write(`build: ${left}, so runs start a little slower\n`);
  }
}

/**
 * Fills the cache of compiled code that bin/start.cjs uses, so that a program run by whoever built it writes nothing.
 * It holds for this Node and the place of the files; another Node makes its own. Code that is merely loaded is enough:
 * a cache with the functions of a whole run in it measured no faster.
 */
function compileAhead() {
  process.umask(0o077); // As start.cjs has it.
  enableCompileCache(join(dist, '.cache'));
  const require = createRequire(import.meta.url);
  for (const file of ['framework', ...commands.map(({file}) => `commands/${file}`)])
    require(join(dist, `${file}.cjs`));
  flushCompileCache();
  // The one that runs when it is loaded.
  execFileSync(process.execPath, [join(top, 'bin/start.cjs'), '--version'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
