// Runs the program in TREE as start.cjs does, and leaves the compiled code of what it loaded beside it:
//   node --predictable compile-ahead.cjs TREE WORDS...     chrootctl WORDS…
//   node --predictable compile-ahead.cjs TREE              loads what no run has loaded so far
// The functions that ran are part of it, so that a start compiles nothing at all.
'use strict';
const {existsSync, readdirSync, readFileSync, writeFileSync} = require('fs');
const {createRequire, wrap, _extensions: loaders} = require('module');
const {basename, join, resolve} = require('path');
const {setFlagsFromString} = require('v8');
const {Script} = require('vm');

// V8 forgets what has not run for a while, which depends on time. What it compiles is only taken by a V8 with the same
// flags, so this one is put back in the end.
setFlagsFromString('--no-flush-bytecode');

const tree = resolve(process.argv[2]);
const words = process.argv.slice(3);
const loaded = new Map();
// What runs first in it differs from run to run, and with it the compiled code: this one is merely loaded.
const RACING = 'import.cjs';

loaders['.cjs'] = (module, path) => {
  // V8 keeps the name in what it compiles; that of the package, not that of the place where it is made.
  const filename = join('/usr/lib/chrootctl', path.slice(tree.length));
  const script = new Script(wrap(readFileSync(path, 'utf8')), {filename});
  const isWanted = words.length === 0 || basename(path) !== RACING;
  if (isWanted && !existsSync(`${path}.compiled`)) loaded.set(`${path}.compiled`, script);
  const body = script.runInThisContext();
  body.call(module.exports, module.exports, createRequire(path), module, path, module.path);
};
process.on('exit', () => {
  setFlagsFromString('--flush-bytecode');
  for (const [path, script] of loaded) writeFileSync(path, script.createCachedData());
});

const dist = join(tree, 'dist');
if (words.length > 0) {
  process.argv.splice(1, 2, join(tree, 'chrootctl'));
  require(join(dist, 'main.cjs')).start({
    directory: dist,
    load: (name) => require(join(dist, `${name}.cjs`)),
  });
} else {
  for (const file of readdirSync(dist, {recursive: true}).sort())
    if (file.endsWith('.cjs') && !existsSync(join(dist, `${file}.compiled`))) require(join(dist, file));
}
