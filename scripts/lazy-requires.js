// An esbuild plugin: what is CommonJS is evaluated at first use, not when the bundle is. The framework's parser alone
// would otherwise evaluate all of its help and terminal code at every start, and every command the part of Node that
// starts processes, with sockets and streams.
import {readFileSync} from 'node:fs';

// How TypeScript compiles an import to CommonJS: the constant is used by nobody but the compiled code below it.
const COMPILED_IMPORT =
  /^(?:const|var) (\w+_\d+) = ((?:__importDefault\(|__importStar\()?require\("[^"]+"\)\)?);$/gm;

const CHILD_PROCESS = 'node:child_process';
const STARTERS = ['spawn', 'spawnSync', 'execFile', 'execFileSync'];

/** `packages`: CommonJS packages that sources of ours import by one name, as in `import semver from 'semver'`. */
export function lazyRequires(packages) {
  const OWN_IMPORT = new RegExp(`^import (\\w+) from '(${packages.join('|')})';$`, 'gm');
  return {
    name: 'lazy-requires',
    setup(build) {
      build.onLoad({filter: /\/node_modules\/@oclif\/core\/lib\/.*\.js$/}, ({path}) => ({
        contents: inline(readFileSync(path, 'utf8'), COMPILED_IMPORT, (expression) => expression),
        loader: 'js',
      }));
      build.onLoad({filter: /\/src\/.*\.ts$/}, ({path}) => ({
        contents: inline(readFileSync(path, 'utf8'), OWN_IMPORT, (name) => `require('${name}')`),
        loader: 'ts',
      }));
      build.onResolve({filter: /^node:child_process$/}, ({importer, namespace}) =>
        namespace === 'file' && !importer.includes('/node_modules/')
          ? {path: CHILD_PROCESS, namespace: 'lazy-requires', sideEffects: false}
          : undefined,
      );
      build.onLoad({filter: /.*/, namespace: 'lazy-requires'}, ({path}) => ({
        contents: STARTERS.map(
          (name) => `export function ${name}(...args) { return require('${path}').${name}(...args); }`,
        ).join('\n'),
      }));
    },
  };
}

/** Takes the imports away and puts what they would have evaluated where their names are used; require() remembers. */
function inline(text, imports, expressionOf) {
  const expressions = new Map();
  const rest = text.replace(imports, (_, name, expression) => {
    expressions.set(name, expressionOf(expression));
    return '';
  });
  return [...expressions].reduce(
    (result, [name, expression]) =>
      result.replace(new RegExp(`(?<![\\w$.'"])${name}(?![\\w$'"])`, 'g'), () => `(${expression})`),
    rest,
  );
}
