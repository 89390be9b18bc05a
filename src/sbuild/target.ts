/** What sbuild calls a root: by distribution and architecture. */
import {lstatSync, readFileSync} from 'node:fs';
import {lookUpSuite} from '../bootstrap/suites.ts';
import {ChrootctlError} from '../errors.ts';
import {lookUp} from '../sandbox/in-root.ts';
import {viewsOf} from '../sandbox/volumes.ts';

export interface Target {
  /** `bookworm`, `unstable`. */
  dist: string;
  /** dpkg's: `amd64`. */
  architecture: string;
}

/** What can stand in a file's name where sbuild looks for it. */
const DIST = /^[A-Za-z0-9][A-Za-z0-9.+~_]*(?:-[A-Za-z0-9.+~_]+)?$/;

/**
 * The distribution is the one that is asked for, else the image's name where that is a suite's, as `sid` or `debian/unstable`
 * (a root of these calls itself by testing's name), else the codename that the root has.
 * @throws ChrootctlError USAGE, FAILED
 */
export function targetOf(
  directory: string,
  {image, dist}: {image: string; dist: string | undefined},
): Target {
  if (dist !== undefined && !DIST.test(dist))
    throw new ChrootctlError('USAGE', `'${dist}' is not a distribution`, {
      hint: 'give the name by which sbuild is called with --dist',
    });
  return {dist: dist ?? suiteNamed(image) ?? codenameIn(directory), architecture: architectureIn(directory)};
}

function suiteNamed(image: string): string | undefined {
  const name = image.split('/').at(-1) ?? '';
  return lookUpSuite(name) === undefined ? undefined : name;
}

function codenameIn(directory: string): string {
  const codename = /^VERSION_CODENAME="?([^"\n]*)"?$/m.exec(readInside(directory, '/etc/os-release'))?.[1];
  if (codename !== undefined && DIST.test(codename)) return codename;
  throw new ChrootctlError('FAILED', 'the root does not say which distribution it is', {
    hint: 'say it: --dist NAME',
  });
}

/** That of dpkg itself. */
function architectureIn(directory: string): string {
  const status = readInside(directory, '/var/lib/dpkg/status');
  const stanza = status.split('\n\n').find((text) => /^Package: dpkg$/m.test(text));
  const architecture = /^Architecture: ([a-z0-9-]+)$/m.exec(stanza ?? '')?.[1];
  if (architecture !== undefined) return architecture;
  throw new ChrootctlError('FAILED', 'the root has no dpkg, which sbuild needs', {
    hint: 'chrootctl bootstrap stable IMAGE --variant buildd makes one that has all',
  });
}

/** Empty for what is not there. Links do not lead out of the root. */
function readInside(directory: string, path: string): string {
  const {source} = lookUp(viewsOf([directory]), path);
  return source !== undefined && lstatSync(source).isFile() ? readFileSync(source, 'utf8') : '';
}
