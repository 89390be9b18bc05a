/** Which test files run in a guest. Paths in the checkout. */
import {readdirSync} from 'node:fs';
import {join} from 'node:path';

export const SUITES: readonly string[] = [
  ...readdirSync(join(import.meta.dirname, 'suites'))
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => `test/vm/suites/${name}`),
];

/** Sources that these files start as processes of their own, by their paths. */
export const PROGRAMS: readonly string[] = ['test/contract/child.ts'];
