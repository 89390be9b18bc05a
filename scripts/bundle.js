// Bundles the whole program into the one file that an executable is made of:
//   node scripts/bundle.js FILE
// Its parts are evaluated when they are needed, as if they were files beside it.
import {readFileSync} from 'node:fs';
import {build} from 'esbuild';
import {commandEntries, commands, program, top} from './bundles.js';
import {lazyRequires} from './lazy-requires.js';

const parts = [
  ['framework', './commands/shared/framework.ts'],
  ...commands.map(({path, file}) => [`commands/${file}`, `command:${path}`]),
].map(([part, source]) => `'${part}': () => require('${source}'),`);

await build({
  ...program,
  // Nothing is where a source was. The framework names it where it looks for what we give to it.
  define: {...program.define, __dirname: '"/nonexistent"'},
  stdin: {
    resolveDir: top,
    contents: `
      import {dirname} from 'node:path';
      import {start} from './commands/shared/entry.ts';
      const parts = {${parts.join('')}};
      start({directory: dirname(process.execPath), load: (name) => parts[name]()});
    `,
  },
  outfile: process.argv[2],
  plugins: [commandEntries(), lazyRequires(['semver']), startErrors()],
});

/**
 * execa stands a process in for one that could not be started, and gives it streams. In Bun those of a process can only
 * be read; what it needs of it is that it emits events.
 */
function startErrors() {
  return {
    name: 'start-errors',
    setup(build) {
      build.onLoad({filter: /\/execa\/lib\/return\/early-error\.js$/}, ({path}) => {
        const text = readFileSync(path, 'utf8');
        const [before, after] = [
          "import {ChildProcess} from 'node:child_process'",
          "import {EventEmitter as ChildProcess} from 'node:events'",
        ];
        if (!text.includes(before)) throw new Error(`${path} is not what it was`);
        return {contents: text.replace(before, after), loader: 'js'};
      });
    },
  };
}
