// The first thing that a Node of any age runs: one line for a Node that is too old, before syntax it cannot read.
'use strict';
var major = Number(process.versions.node.split('.')[0]);
if (major < 22) {
  process.stderr.write(
    'chrootctl: needs Node.js 22 or newer, this is ' +
      process.versions.node +
      ' (in a checkout: npm run setup)\n',
  );
  process.exit(1);
}
var dist = __dirname + '/../dist';
if (!require('fs').existsSync(dist + '/main.cjs')) {
  process.stderr.write('chrootctl: is not built yet (npm run setup, or npm run build)\n');
  process.exit(1);
}
// Compiled code is kept beside the build, which nobody else may write either, and is run as whoever runs us: so the
// directory is the owner's alone, whatever the umask. Where it cannot be written, Node does without, as 22.0 does.
var compiled = require('module');
if (compiled.enableCompileCache) {
  var umask = process.umask(63);
  compiled.enableCompileCache(dist + '/.cache');
  process.umask(umask);
}
require(dist + '/main.cjs').start({
  directory: dist,
  load: function (name) {
    return require(dist + '/' + name + '.cjs');
  },
});
