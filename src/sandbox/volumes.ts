/** What of the host is seen inside: volumes, and the host's resolver files. */
import {existsSync, realpathSync, statSync} from 'node:fs';
import {dirname, isAbsolute, posix} from 'node:path';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {isWithin, lookUp, type View} from './in-root.ts';
import type {Volume} from './spec.ts';
import {toolboxPlace} from './toolbox.ts';

/** A bind mount: `source` on the host, at `target` inside, which is free of symbolic links. */
export interface Bind {
  source: string;
  target: string;
  readOnly: boolean;
}

/** Mounted by the sandbox itself: what is in them, the root's layers cannot tell. */
const OWN_MOUNTS: readonly View[] = ['/proc', '/dev', '/sys'].map((target) => ({target, layers: []}));

/** How a root made of these directories, top first, looks from inside before any volume is there. */
export function viewsOf(layers: readonly string[]): View[] {
  return [{target: '/', layers: layers.map(withoutSlash)}, ...OWN_MOUNTS];
}

/** The views of the root with these binds in place. */
export function withBinds(views: readonly View[], binds: readonly Bind[]): View[] {
  return [...views, ...binds.map(({source, target}) => ({target, layers: [source]}))];
}

/**
 * Volumes as bind mounts, outer targets before inner ones. Targets are resolved inside the root, so that a symbolic
 * link of the image leads nowhere else.
 * @throws ChrootctlError USAGE for a target that cannot be, FAILED for a source that is not there
 */
export function bindsOf(views: readonly View[], volumes: readonly Volume[], privileged = false): Bind[] {
  const binds: Bind[] = [];
  const toolbox = toolboxPlace(privileged);
  const depth = ({target}: Volume) => posix.normalize(target).split('/').length;
  for (const volume of [...volumes].sort((a, b) => depth(a) - depth(b))) {
    const bind = bindOf(withBinds(views, binds), volume);
    if (isWithin(bind.target, toolbox) || isWithin(dirname(toolbox), bind.target))
      throw noPlace(volume.target);
    if (binds.some(({target}) => target === bind.target)) {
      throw new ChrootctlError('USAGE', `two volumes for ${bind.target}`);
    }
    binds.push(bind);
  }
  return binds;
}

function bindOf(views: readonly View[], {source, target, readOnly}: Volume): Bind {
  if (!target.startsWith('/') || target.split('/').includes('..') || /\0/.test(target)) {
    throw new ChrootctlError(
      'USAGE',
      `a volume's place inside must be an absolute path without ..: ${target}`,
    );
  }
  if (!isAbsolute(source)) {
    throw new ChrootctlError('USAGE', `a volume's source must be an absolute path: ${source}`, {
      hint: 'named volumes do not exist here; give a file or directory of this host',
    });
  }
  const isDirectory = kindOnHost(source);
  const place = lookUp(views, target);
  if (place.path === '/' || isWithin(place.path, '/proc')) throw noPlace(target);
  if (place.kind === (isDirectory ? 'file' : 'directory')) {
    throw new ChrootctlError(
      'USAGE',
      `${source} is a ${isDirectory ? 'directory' : 'file'}, ${target} inside is a ${place.kind}`,
      {hint: 'mount a file on a file and a directory on a directory'},
    );
  }
  return {source: realpathSync(source), target: place.path, readOnly};
}

function noPlace(target: string): ChrootctlError {
  return new ChrootctlError('USAGE', `no volume can be mounted at ${target}`, {
    hint: 'the sandbox itself mounts something there',
  });
}

function kindOnHost(source: string): boolean {
  try {
    return statSync(source).isDirectory();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw new ChrootctlError('FAILED', `the volume's source ${source} does not exist`, {
      hint: 'create it first; chrootctl does not make directories on the host',
      cause: error,
    });
  }
}

/**
 * The host's resolver files for a command on the host's network. Their places are resolved inside the root, because
 * an image's /etc/resolv.conf often is a link to something that only a running system has; where nothing is, the
 * mount point gets made.
 */
export function hostNames(views: readonly View[], fallback: string): Bind[] {
  const files = ['/etc/resolv.conf', '/etc/hosts'].filter(existsSync);
  return [
    ...files.flatMap((path) => bindFile(views, path, path)),
    // A minimal host has no hosts file; `localhost` has a name all the same.
    ...(files.includes('/etc/hosts') ? [] : localNames(views, fallback)),
  ];
}

/**
 * Without a network `localhost` still has a name: from the root's own /etc/hosts, or from `fallback` where that is
 * missing or empty (a mount point that an earlier run has left).
 */
export function localNames(views: readonly View[], fallback: string): Bind[] {
  const {source} = lookUp(views, '/etc/hosts');
  return source === undefined || statSync(source).size === 0 ? bindFile(views, fallback, '/etc/hosts') : [];
}

/** A root with a directory at that place has a mind of its own: it keeps it. */
function bindFile(views: readonly View[], source: string, path: string): Bind[] {
  const place = lookUp(views, path);
  if (place.kind === 'directory' || place.kind === 'unknown') return [];
  return [{source: realpathSync(source), target: place.path, readOnly: true}];
}

function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, '') === '/' ? '' : path.replace(/(?<=.)\/+$/, '');
}
