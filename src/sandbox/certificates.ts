/** Why apt may have failed in a root: its sources are read by https, and it has no certificates to check them with. */
import {existsSync, lstatSync, readdirSync, readFileSync} from 'node:fs';
import {ChrootctlError} from '../errors.ts';
import {lookUp, type View} from './in-root.ts';
import {viewsOf} from './volumes.ts';

/** What apt ends with when it has failed (apt-get(8)). */
const APT_FAILED = 100;

/** The exit codes to which there may be something to say. */
export const certificateCodes: readonly number[] = [APT_FAILED];

/** Where Debian's packages look for certificates, which ca-certificates puts there. */
const BUNDLE = '/etc/ssl/certs/ca-certificates.crt';

/** Larger ones are no lists of sources. */
const MOST_BYTES = 2 ** 20;

/**
 * What to tell somebody whose command ended with `exitCode` in a root made of these directories, top first; undefined
 * when it is not that.
 */
export function certificatesHint(exitCode: number, layers: readonly string[]): string | undefined {
  return exitCode === APT_FAILED ? missingCertificates(layers) : undefined;
}

/** The same of a root that has just been made. */
export function missingCertificates(layers: readonly string[]): string | undefined {
  try {
    return missingIn(layers);
  } catch (error) {
    // Links in a circle, a file where a directory should be: such a root has other troubles.
    if (error instanceof ChrootctlError) return undefined;
    throw error;
  }
}

function missingIn(layers: readonly string[]): string | undefined {
  if (layers.length === 0 || lookUp(viewsOf(layers), BUNDLE).kind !== 'missing') return undefined;
  if (!layers.some(hasHttpsSources)) return undefined;
  return (
    `apt's sources in this root are https, and it has no certificates: add the package ca-certificates ` +
    `(bootstrap --include ca-certificates), or show it the host's: -v ${existsSync(BUNDLE) ? BUNDLE : '/BUNDLE'}:${BUNDLE}:ro`
  );
}

/** One layer is looked at by itself: that one above hides a list is a reason to tell more, not less. */
function hasHttpsSources(layer: string): boolean {
  const views = viewsOf([layer]);
  const more = '/etc/apt/sources.list.d';
  return ['/etc/apt/sources.list', ...namesIn(views, more).map((name) => `${more}/${name}`)].some((path) => {
    const {source} = lookUp(views, path);
    const stats = source === undefined ? undefined : lstatSync(source);
    if (source === undefined || stats?.isFile() !== true || stats.size > MOST_BYTES) return false;
    return /^(?!\s*#).*\bhttps:\/\//m.test(readFileSync(source, 'utf8'));
  });
}

function namesIn(views: readonly View[], directory: string): string[] {
  const {source, kind} = lookUp(views, directory);
  return source !== undefined && kind === 'directory' ? readdirSync(source) : [];
}
