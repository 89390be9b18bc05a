/** What of the host is seen inside: volumes. */
import {realpathSync, statSync} from 'node:fs';
import {dirname, isAbsolute, posix} from 'node:path';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {isWithin, lookUp, type View} from './in-root.ts';
import {isInRootItself, missingDirectories, type Place} from './places.ts';
import type {Volume} from './spec.ts';
import {toolboxPlace} from './toolbox.ts';

/** A bind mount: `source` on the host, at `target` inside, which is free of symbolic links. */
export interface Bind {
  source: string;
  target: string;
  readOnly: boolean;
  /** Directories that have to be made for it first, parents before children. */
  directories: readonly string[];
  /** What is made for it in the root itself, and not in another volume. */
  places: readonly Place[];
}

/** Mounted by the sandbox itself: what is in them, the root's layers cannot tell. */
const OWN_MOUNTS: readonly View[] = ['/proc', '/dev', '/sys'].map((target) => ({target, layers: []}));

/** How a root made of these directories, top first, looks from inside before any volume is there. */
export function viewsOf(layers: readonly string[]): View[] {
  return [{target: '/', layers: layers.map(withoutSlash)}, ...OWN_MOUNTS];
}

/** The views of the root with these binds in place. */
export function withBinds(views: readonly View[], binds: readonly Pick<Bind, 'source' | 'target'>[]): View[] {
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
  const directories = missingDirectories(views, isDirectory ? place.path : dirname(place.path));
  const made: Place[] = directories.map((path) => ({path, kind: 'directory'}));
  if (!isDirectory && place.kind === 'missing') made.push({path: place.path, kind: 'file'});
  const places = made.filter(({path}) => isInRootItself(views, path));
  return {source: realpathSync(source), target: place.path, readOnly, directories, places};
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

function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, '') === '/' ? '' : path.replace(/(?<=.)\/+$/, '');
}
