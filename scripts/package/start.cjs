// What the program of a Debian package runs: this script is part of its executable, the files are beside it. Loading by
// hand what most starts need spares Node's own search for modules.
'use strict';
const {readFileSync} = require('fs');
const {dirname, join} = require('path');
const {Script, constants} = require('vm');

const dist = `${__dirname}/dist`;
const loaded = new Map();
let search;

// Code that was compiled when the package was made, and is part of it. Node's own cache would be written here, by the
// first start of each user, and once more by each other kind of processor.
function compiled(filename) {
  let cachedData;
  try {
    cachedData = readFileSync(`${filename}.compiled`);
  } catch {
    // Then V8 compiles it.
  }
  const text = readFileSync(filename, 'utf8');
  return new Script(`(function (exports, require, module, __filename, __dirname) { ${text}\n});`, {
    filename,
    cachedData,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  }).runInThisContext();
}

// The bundles of commands, and what is bundled apart for several of them.
const ours = /^(?:\.\/commands|\.\.\/apart)\/(?!oclif-)/;

function load(filename) {
  const known = loaded.get(filename);
  if (known !== undefined) return known.exports;
  const module = {exports: {}};
  loaded.set(filename, module);
  const directory = dirname(filename);
  const requireHere = (name) => {
    if (ours.test(name)) return load(join(directory, name));
    return /^[./]/.test(name) ? moduleSearch()(filename)(name) : require(name);
  };
  const body = compiled(filename);
  body.call(module.exports, module.exports, requireHere, module, filename, directory);
  return module.exports;
}

// For the parts of the framework, which few need: modules as Node has them, with all that belongs to one.
function moduleSearch() {
  if (search === undefined) {
    const {createRequire, _extensions: loaders} = require('module');
    search = createRequire;
    loaders['.cjs'] = (module, filename) => {
      const body = compiled(filename);
      body.call(module.exports, module.exports, createRequire(filename), module, filename, module.path);
    };
  }
  return search;
}

load(`${dist}/main.cjs`).start({directory: dist, load: (name) => load(`${dist}/${name}.cjs`)});
