/**
 * A real Debian root for tests: made once from the host's own apt sources, kept outside the checkout
 * (`$XDG_CACHE_HOME/chrootctl-test`), shared by all tests and workers. Neither the tar nor the tree may be changed.
 */
import {mkdirSync, rmSync} from 'node:fs';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {bootstrap, type BootstrapOptions} from '../src/bootstrap.ts';
import {thisHost} from '../src/bootstrap/host-apt.ts';
import {run} from '../src/system/programs.ts';
import {madeOnce} from './made-once.ts';

/** For who has to make it: the packages may come slowly (ms). */
export const ROOT_TIMEOUT = 600_000;

/** Path of a tar of a minbase root. Default: the host's own release. */
export function debianRootTar(release = suite()): Promise<string> {
  return madeRoot(rootName(release), release);
}

/** The same with what packages are built with, as sbuild's own roots have it, and what autopkgtest installs them with. */
export function builderRootTar(): Promise<string> {
  return madeRoot(`${rootName(suite())}-builder`, suite(), {
    variant: 'buildd',
    include: ['fakeroot', 'apt-utils'],
  });
}

function madeRoot(name: string, release: string, options: BootstrapOptions = {}): Promise<string> {
  return made(`${name}.tar`, async (temporary) => {
    const directory = `${temporary}.root`;
    try {
      mkdirSync(directory);
      await bootstrap(release, directory, options);
      await run('tar', ['-C', directory, '--numeric-owner', '--xattrs', '-cf', temporary, '.']);
    } finally {
      rmSync(directory, {recursive: true, force: true});
    }
  });
}

/** Path of the same root, unpacked: a layer to put an overlay on. */
export async function unpackedRoot(): Promise<string> {
  const tar = await debianRootTar();
  return made(rootName(suite()), async (temporary) => {
    mkdirSync(temporary);
    await run('tar', ['-C', temporary, '--numeric-owner', '--xattrs', '--xattrs-include=*', '-xpf', tar]);
  });
}

/** Makes `name` in the cache if it is not there. */
export function made(name: string, make: (temporary: string) => Promise<void>): Promise<string> {
  return madeOnce(join(cache(), name), make);
}

export function cache(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'chrootctl-test');
}

export function suite(): string {
  return thisHost().codename ?? 'stable';
}

function rootName(release: string): string {
  return `${release}-${process.arch}`;
}
