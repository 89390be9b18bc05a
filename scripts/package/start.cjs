#!/usr/lib/chrootctl/node --min-semi-space-size=2
// What /usr/bin/chrootctl is in a Debian package: its Node and its files are beside it. That Node has room for all that a
// run allocates (MiB), so that no garbage is collected on the way.
'use strict';
const {readFileSync} = require('fs');
const {createRequire, wrap, _extensions: loaders} = require('module');
const {Script, constants} = require('vm');

// Code that was compiled when the package was made, and is part of it. Node's own cache would be written here, by the
// first start of each user, and once more by each other kind of processor.
loaders['.cjs'] = (module, filename) => {
  let cachedData;
  try {
    cachedData = readFileSync(`${filename}.compiled`);
  } catch {
    // Then V8 compiles it.
  }
  const script = new Script(wrap(readFileSync(filename, 'utf8')), {
    filename,
    cachedData,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const body = script.runInThisContext();
  body.call(module.exports, module.exports, createRequire(filename), module, filename, module.path);
};
require('./dist/main.cjs');
