/** The runtime that goes into a package: a Bun of one version, fetched with npm and the very files that are named here. */
import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync} from 'node:fs';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {madeOnce} from '../../test/made-once.ts';
import type {Architecture} from './architecture.ts';
import {say} from './checkout.ts';

export const VERSION = '1.4.5';

interface Build {
  package: string;
  /** As `bun build --target` has it. */
  target: string;
  /** As npm has it: the checksum of the package's file. */
  integrity: string;
}

/** Baseline: it needs SSE4.2, and no AVX. Debian's amd64 has processors without. */
const BUILDS: Record<Architecture, Build> = {
  amd64: {
    package: '@oven/bun-linux-x64-baseline',
    target: 'bun-linux-x64-baseline',
    integrity:
      'sha512-s8yMwYcFnnrA178gji0gZbkE2WVDej/Ti1x770oPfihxyRxSMNhGhiAQNXV53aDeraZxksdvKV/RAdQBCd0qPA==',
  },
  arm64: {
    package: '@oven/bun-linux-aarch64',
    target: 'bun-linux-arm64',
    integrity:
      'sha512-4BXmsSKnjOrlGWqZV4x/oWa7AVoR+B6lCXddMzOAXBIm3t50eslg9wb66gmtW1AamEQ1l1CDvmmruysEhqOWMg==',
  },
};

export function targetOf(architecture: Architecture): string {
  return BUILDS[architecture].target;
}

/** The program, fetched once and kept. @throws Error when it is another file than the one that is named here */
export async function bunFor(architecture: Architecture): Promise<string> {
  const build = BUILDS[architecture];
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'chrootctl/package');
  const directory = await madeOnce(join(cache, `bun-${VERSION}-${architecture}`), (temporary) => {
    say(`${architecture}: fetching ${build.package}@${VERSION} with npm`);
    mkdirSync(temporary, {recursive: true});
    const words = ['pack', '--silent', '--pack-destination', temporary, `${build.package}@${VERSION}`];
    const file = join(temporary, execFileSync('npm', words, {encoding: 'utf8', cwd: temporary}).trim());
    const sum = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
    if (sum !== build.integrity)
      throw new Error(`${build.package}@${VERSION} is not the file that it was: ${sum}`);
    execFileSync('tar', ['-C', temporary, '--strip-components=2', '--no-same-owner', '-xf', file]);
    execFileSync('rm', [file]);
    return Promise.resolve();
  });
  return join(directory, 'bun');
}
