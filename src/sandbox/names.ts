/**
 * The files by which a command finds others and itself: /etc/resolv.conf, /etc/hosts, /etc/hostname. Each sandbox has its
 * own, in its root: they can be changed and replaced by what is installed there, and no version ever has them.
 */
import {lstatSync, readFileSync} from 'node:fs';
import {hostname} from 'node:os';
import {dirname} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import {readIfExists} from '../system/files.ts';
import {lookUp, type View} from './in-root.ts';
import {isInRootItself, missingDirectories} from './places.ts';
import type {SandboxSpec} from './spec.ts';

const LOCALHOST = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n';

export interface NameFile {
  path: string;
  content: string;
  /** Directories that have to be made for it first, parents before children. */
  directories: readonly string[];
}

/**
 * The files for a sandbox, at the places to which the root's own links lead: /etc/resolv.conf often is one to something
 * that only a running system has. Left alone is what a volume covers, what is no place for a file, and what an earlier
 * command of the same session has got.
 */
export function nameFiles(
  {network, hostname: name = hostname(), placed = []}: Pick<SandboxSpec, 'network' | 'hostname' | 'placed'>,
  views: readonly View[],
): NameFile[] {
  const contents = {
    '/etc/hosts': hosts(network === 'host' ? (readIfExists('/etc/hosts') ?? '') : ownHosts(views), name),
    '/etc/hostname': `${name}\n`,
    '/etc/resolv.conf': network === 'host' ? readIfExists('/etc/resolv.conf') : undefined,
  };
  return Object.entries(contents).flatMap(([wanted, content]) => {
    const path = placeFor(views, wanted);
    if (content === undefined || path === undefined || placed.includes(path)) return [];
    return [{path, content, directories: missingDirectories(views, dirname(path))}];
  });
}

/** With the names by which a program looks for itself: it must not wait for a name server. */
function hosts(text: string, name: string): string {
  const names = text.split('\n').flatMap((line) => line.replace(/#.*/, '').trim().split(/\s+/).slice(1));
  const lines = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  return [
    names.includes('localhost') ? '' : LOCALHOST,
    lines,
    names.includes(name) ? '' : `127.0.1.1\t${name}\n`,
  ].join('');
}

/** Of a few names; a file that is much larger blocks advertisements. */
const MOST_BYTES = 2 ** 24;

/** What the root itself has: the host's names are of no use without a network. */
function ownHosts(views: readonly View[]): string {
  if (placeFor(views, '/etc/hosts') === undefined) return '';
  const {source} = lookUp(views, '/etc/hosts');
  const stats = source === undefined ? undefined : lstatSync(source);
  return source !== undefined && stats?.isFile() === true && stats.size < MOST_BYTES
    ? readFileSync(source, 'utf8')
    : '';
}

/** Undefined where a file would be in somebody else's way. */
function placeFor(views: readonly View[], wanted: string): string | undefined {
  try {
    const {path, kind} = lookUp(views, wanted);
    return (kind === 'file' || kind === 'missing') && isInRootItself(views, path) ? path : undefined;
  } catch (error) {
    // Links in a circle, a file where a directory should be: a root with a mind of its own.
    if (error instanceof ChrootctlError) return undefined;
    throw error;
  }
}
