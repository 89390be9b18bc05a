/** Random file operations, done to a plain directory and to volumes alike. */
import fc from 'fast-check';
import {execFileSync} from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import {join} from 'node:path';
import {errnoOf} from '../../src/errors.ts';

export type Operation =
  | {kind: 'write'; path: string; content: string}
  | {kind: 'mkdir' | 'remove' | 'replace' | 'symlink'; path: string}
  | {kind: 'chmod'; path: string; mode: number}
  | {kind: 'chown'; path: string; owner: number}
  | {kind: 'time'; path: string; seconds: number}
  | {kind: 'attribute'; path: string; value: string}
  | {kind: 'rename' | 'supplant' | 'link'; path: string; to: string};

/** Few names, so that operations meet. */
const name = fc.constantFrom('a', 'b', 'c\n:,\\');
const path = fc.array(name, {minLength: 1, maxLength: 3}).map((names) => names.join('/'));

/** What a plain directory and an overlay do alike, but for the times of directories. */
export const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({kind: fc.constant('write' as const), path, content: fc.string({maxLength: 4})}),
  },
  {weight: 3, arbitrary: fc.record({kind: fc.constant('mkdir' as const), path})},
  {weight: 3, arbitrary: fc.record({kind: fc.constant('remove' as const), path})},
  {weight: 2, arbitrary: fc.record({kind: fc.constant('replace' as const), path})},
  {weight: 1, arbitrary: fc.record({kind: fc.constant('symlink' as const), path})},
  {weight: 1, arbitrary: fc.record({kind: fc.constant('chmod' as const), path, mode: fc.nat(0o7777)})},
  {weight: 1, arbitrary: fc.record({kind: fc.constant('chown' as const), path, owner: fc.nat(9)})},
  {
    weight: 1,
    arbitrary: fc.record({kind: fc.constant('attribute' as const), path, value: fc.constantFrom('1', '2')}),
  },
  {weight: 2, arbitrary: fc.record({kind: fc.constant('rename' as const), path, to: path})},
);

/** And what overlayfs does in its own way (a link to a file of a lower layer ends when the file is written). */
export const anyOperation: fc.Arbitrary<Operation> = fc.oneof(
  {weight: 8, arbitrary: operation},
  {weight: 1, arbitrary: fc.record({kind: fc.constant('link' as const), path, to: path})},
  {weight: 1, arbitrary: fc.record({kind: fc.constant('time' as const), path, seconds: fc.nat(2e9)})},
);

const directory = fc.constantFrom('a', 'b', 'a/a', 'a/b', 'b/a', 'b/b', 'c\n:,\\', 'a/c\n:,\\');

/** Mostly renames of directories that `startingTree` makes, and to where these are. */
export const renaming: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('rename' as const, 'supplant' as const),
      path: directory,
      to: directory,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({kind: fc.constantFrom('replace' as const, 'remove' as const), path: directory}),
  },
  {weight: 2, arbitrary: anyOperation},
);

/** Something to remove, replace and cover, at every place that the paths above can name; no two directories are alike. */
export function startingTree(): Operation[] {
  const names = ['a', 'b'];
  const directories = [...names, ...names.flatMap((one) => names.map((two) => `${one}/${two}`))];
  return [
    ...directories.map((path): Operation => ({kind: 'mkdir', path})),
    ...directories.flatMap((path): Operation[] => [
      {kind: 'write', path: `${path}/c\n:,\\`, content: path},
      {kind: 'write', path: `${path}/was ${path.replace('/', ' ')}`, content: ''},
    ]),
  ];
}

/** What cannot be done to the tree as it is (no such directory, exists already, …) is left undone. */
const IMPOSSIBLE = new Set([
  'ENOENT',
  'ENOTDIR',
  'EEXIST',
  'EISDIR',
  'ELOOP',
  'ENOTEMPTY',
  'EPERM',
  'EINVAL',
  'ENXIO',
]);

export function apply(root: string, operation: Operation): void {
  try {
    perform(root, operation);
  } catch (error) {
    if (!IMPOSSIBLE.has(errnoOf(error) ?? '')) throw error;
  }
}

function perform(root: string, operation: Operation): void {
  const place = join(root, operation.path);
  switch (operation.kind) {
    case 'write': {
      const fd = openSync(
        place,
        constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
        0o644,
      );
      writeSync(fd, operation.content);
      closeSync(fd);
      return;
    }
    case 'mkdir':
      mkdirSync(place);
      return;
    case 'remove':
      rmSync(place, {recursive: true, force: true});
      return;
    case 'replace':
      rmSync(place, {recursive: true});
      mkdirSync(place);
      return;
    case 'symlink':
      symlinkSync('nowhere/to/go', place);
      return;
    case 'chmod':
      chmodSync(place, operation.mode);
      return;
    case 'chown':
      chownSync(place, operation.owner, operation.owner + 1);
      return;
    case 'time':
      utimesSync(place, operation.seconds, operation.seconds);
      return;
    case 'attribute':
      if (lstatSync(place).isSymbolicLink()) return;
      execFileSync('setfattr', ['-n', 'user.test', '-v', operation.value, place]);
      return;
    case 'link':
      linkSync(place, join(root, operation.to));
      return;
    case 'supplant':
      rmSync(join(root, operation.to), {recursive: true, force: true});
      renameSync(place, join(root, operation.to));
      return;
    case 'rename':
      renameSync(place, join(root, operation.to));
  }
}
