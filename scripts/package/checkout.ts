/** What all packages are made from. */
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';

export const CHECKOUT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const DIST = join(CHECKOUT, 'dist');

export interface Manifest {
  name: string;
  version: string;
  description: string;
  dependencies: Record<string, string>;
}

/** package.json of the checkout. */
export function manifest(): Manifest {
  return JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as Manifest;
}

/**
 * The time that everything in a package has, in seconds since 1970: SOURCE_DATE_EPOCH, else that of the last commit,
 * so that the same sources make the same package.
 */
export function sourceDate(): number {
  const given = process.env['SOURCE_DATE_EPOCH'];
  if (given !== undefined && given !== '') return Number(given);
  try {
    return Number(
      execFileSync('git', ['-C', CHECKOUT, 'log', '-1', '--format=%ct'], {encoding: 'utf8', stdio: 'pipe'}),
    );
  } catch {
    return Math.floor(Date.now() / 1000); // Not a checkout of git.
  }
}

/** Says to whoever makes a package what is done, and what is left away. */
export function say(text: string): void {
  process.stderr.write(`package: ${text}\n`);
}
