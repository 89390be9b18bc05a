/** Which test files run in a guest. Paths in the checkout. */
import {readdirSync} from 'node:fs';
import {join} from 'node:path';

export const SUITES: readonly string[] = [
  // What is promised on every driver, on the one that only a guest has.
  ...['lifecycle', 'removal', 'crash', 'old-or-new'].map((name) => `test/cli/${name}.test.ts`),
  ...readdirSync(join(import.meta.dirname, 'suites'))
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => `test/vm/suites/${name}`),
];

/** Sources that these files start as processes of their own, by their paths. */
export const PROGRAMS: readonly string[] = ['test/contract/child.ts'];
