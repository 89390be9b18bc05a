// What all bundles of the program are made with.
import {readdirSync, readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {wall} from './wall.js';

export const top = dirname(dirname(fileURLToPath(import.meta.url)));
export const {name, version, oclif} = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8'));

/** `path` below commands/, `id` of the framework, and `file` name of its bundle. */
export const commands = readdirSync(join(top, 'commands'), {recursive: true})
  .filter((file) => file.endsWith('.ts') && !file.startsWith('shared/'))
  .map((file) => file.slice(0, -'.ts'.length))
  .sort()
  .map((path) => ({path, id: path.replaceAll('/', ':'), file: path.replaceAll('/', '.')}));

export const common = {
  absWorkingDir: top,
  bundle: true,
  platform: 'node',
  target: 'node22',
  define: {
    CHROOTCTL_VERSION: JSON.stringify(version),
    CHROOTCTL_COMMANDS: JSON.stringify(commands.map(({id}) => id)),
    CHROOTCTL_OWN_WALL: JSON.stringify(wall() === 'own'),
  },
  // The framework loads them only to run commands from TypeScript sources, which the build makes needless.
  external: ['typescript', 'ts-node', 'tsx'],
  logLevel: 'warning',
};

export const program = {
  ...common,
  format: 'cjs',
  outExtension: {'.js': '.cjs'},
  minifySyntax: true,
  minifyWhitespace: true,
  define: {...common.define, 'import.meta.dirname': '__dirname'},
  // An import at run time becomes require(): the loader of modules is not started at all.
  supported: {'dynamic-import': false},
};

/** The entry of each command's bundle: its class, and a start that runs it. */
export function commandEntries() {
  return {
    name: 'command-entries',
    setup(build) {
      build.onResolve({filter: /^command:/}, ({path}) => ({path, namespace: 'command'}));
      build.onLoad({filter: /^command:/, namespace: 'command'}, ({path}) => {
        const command = path.slice('command:'.length);
        return {
          resolveDir: top,
          contents: `
            import Command from './commands/${command}.ts';
            import {execute} from './commands/shared/execute.ts';
            Command.id = '${command.replaceAll('/', ':')}';
            export const start = (argv, depth, directory) => execute(Command, argv, depth, directory);
          `,
        };
      });
    },
  };
}
