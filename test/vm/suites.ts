/** Which test files run in a guest. Paths in the checkout. */
import {readdirSync} from 'node:fs';
import {join} from 'node:path';

export interface Suite {
  path: string;
  /** A regular expression: only such tests. */
  titles?: string | undefined;
}

/** The longest first, so that they do not begin when the others have ended. */
export const SUITES: readonly Suite[] = [
  {path: 'test/vm/suites/contract.test.ts'},
  // What is promised on every driver, on the one that only a guest has.
  ...['lifecycle', 'crash', 'removal', 'old-or-new'].map((name) => ({
    path: `test/cli/${name}.test.ts`,
    titles: 'on zfs',
  })),
  {path: 'test/cli/places.test.ts', titles: 'on zfs (a run that|a commit of)'},
  ...readdirSync(join(import.meta.dirname, 'suites'))
    .filter((name) => name.endsWith('.test.ts') && name !== 'contract.test.ts')
    .sort()
    .map((name) => ({path: `test/vm/suites/${name}`})),
];

/** Sources that these files start as processes of their own, by their paths. */
export const PROGRAMS: readonly string[] = ['test/contract/child.ts'];
