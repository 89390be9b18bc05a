/** What is mounted inside on somebody's wish: volumes, devices, file systems in memory. */
import {realpathSync, statSync, type Stats} from 'node:fs';
import {dirname, isAbsolute, posix} from 'node:path';
import {ChrootctlError, errnoOf} from '../errors.ts';
import {bound, type Binding} from '../system/bubblewrap.ts';
import {isWithin, lookUp, type Found, type View} from './in-root.ts';
import {isInRootItself, missingDirectories, type Place} from './places.ts';
import type {Device, SandboxSpec, Tmpfs, Volume} from './spec.ts';
import {toolboxPlace} from './toolbox.ts';

/** Something mounted at `target`, which is free of symbolic links. */
export interface Bind {
  /** On the host; undefined for a file system that is empty. */
  source: string | undefined;
  target: string;
  /** bwrap's words for it. */
  words: readonly string[];
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
  return [
    ...views,
    ...binds.map(({source, target}) => ({target, layers: source === undefined ? [] : [source]})),
  ];
}

type Wanted = Pick<SandboxSpec, 'volumes' | 'devices' | 'tmpfs' | 'privileged'>;

/**
 * What is to be mounted, outer targets before inner ones. Targets are resolved inside the root, so that a symbolic
 * link of the image leads nowhere else.
 * @throws ChrootctlError USAGE for a target that cannot be, FAILED for a source that is not there
 */
export function bindsOf(views: readonly View[], {volumes, devices, tmpfs, privileged}: Wanted): Bind[] {
  const wanted = [
    ...volumes.map((volume) => ({target: volume.target, bind: boundVolume(volume, privileged)})),
    ...devices.map((device) => ({target: device.target, bind: boundDevice(device)})),
    ...tmpfs.map((one) => ({target: one.target, bind: emptyTmpfs(one)})),
  ];
  const binds: Bind[] = [];
  const toolbox = toolboxPlace(privileged);
  const depth = ({target}: {target: string}) => posix.normalize(target).split('/').length;
  for (const {target, bind: make} of wanted.sort((a, b) => depth(a) - depth(b))) {
    const bind = make(placeOf(withBinds(views, binds), target), withBinds(views, binds));
    if (isWithin(bind.target, toolbox) || isWithin(dirname(toolbox), bind.target)) throw noPlace(target);
    if (binds.some((other) => other.target === bind.target)) {
      throw new ChrootctlError('USAGE', `two volumes for ${bind.target}`);
    }
    binds.push(bind);
  }
  return binds;
}

type Placing = (place: Found, views: readonly View[]) => Bind;

function boundVolume({source, target, readOnly}: Volume, privileged: boolean): Placing {
  if (!isAbsolute(source)) {
    throw new ChrootctlError('USAGE', `a volume's source must be an absolute path: ${source}`, {
      hint: 'named volumes do not exist here; give a file or directory of this host',
    });
  }
  return (place, views) => {
    const stats = onHost(source, "the volume's source");
    const isDevice = privileged || stats.isCharacterDevice() || stats.isBlockDevice();
    const how = readOnly ? 'ro' : isDevice ? 'dev' : 'rw';
    return boundAt(how, {source, target}, stats.isDirectory(), place, views);
  };
}

function boundDevice({source, target}: Device): Placing {
  return (place, views) => {
    const stats = onHost(source, 'the device');
    if (!stats.isCharacterDevice() && !stats.isBlockDevice() && !stats.isDirectory()) {
      throw new ChrootctlError('USAGE', `${source} is not a device`, {
        hint: `to show a file or a directory inside, write -v ${source}:${target}`,
      });
    }
    return boundAt('dev', {source, target}, stats.isDirectory(), place, views);
  };
}

function boundAt(
  how: Binding,
  {source, target}: {source: string; target: string},
  isDirectory: boolean,
  place: Found,
  views: readonly View[],
): Bind {
  if (place.kind === (isDirectory ? 'file' : 'directory')) {
    throw new ChrootctlError(
      'USAGE',
      `${source} is a ${isDirectory ? 'directory' : 'file'}, ${target} inside is a ${place.kind}`,
      {hint: 'mount a file on a file and a directory on a directory'},
    );
  }
  const real = realpathSync(source);
  return {
    source: real,
    target: place.path,
    words: bound(how, real, place.path),
    ...madeFor(place, isDirectory, views),
  };
}

function emptyTmpfs({target, size, mode, readOnly}: Tmpfs): Placing {
  return (place, views) => {
    if (place.kind === 'file')
      throw new ChrootctlError('USAGE', `${target} inside is a file: no file system can be mounted there`);
    return {
      source: undefined,
      target: place.path,
      words: [
        ...['--perms', mode.toString(8).padStart(4, '0')],
        ...(size === undefined ? [] : ['--size', String(size)]),
        ...['--tmpfs', place.path],
        ...(readOnly ? ['--remount-ro', place.path] : []),
      ],
      ...madeFor(place, true, views),
    };
  };
}

function madeFor(
  place: Found,
  isDirectory: boolean,
  views: readonly View[],
): Pick<Bind, 'directories' | 'places'> {
  const directories = missingDirectories(views, isDirectory ? place.path : dirname(place.path));
  const made: Place[] = directories.map((path) => ({path, kind: 'directory'}));
  if (!isDirectory && place.kind === 'missing') made.push({path: place.path, kind: 'file'});
  return {directories, places: made.filter(({path}) => isInRootItself(views, path))};
}

/** @throws ChrootctlError USAGE */
function placeOf(views: readonly View[], target: string): Found {
  if (!target.startsWith('/') || target.split('/').includes('..') || /\0/.test(target)) {
    throw new ChrootctlError(
      'USAGE',
      `a volume's place inside must be an absolute path without ..: ${target}`,
    );
  }
  const place = lookUp(views, target);
  if (place.path === '/' || isWithin(place.path, '/proc')) throw noPlace(target);
  return place;
}

function noPlace(target: string): ChrootctlError {
  return new ChrootctlError('USAGE', `no volume can be mounted at ${target}`, {
    hint: 'the sandbox itself mounts something there',
  });
}

function onHost(source: string, what: string): Stats {
  try {
    return statSync(source);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw new ChrootctlError('FAILED', `${what} ${source} does not exist`, {
      hint: 'create it first; chrootctl makes nothing on the host',
      cause: error,
    });
  }
}

function withoutSlash(path: string): string {
  return path.replace(/(?<=.)\/+$/, '') === '/' ? '' : path.replace(/(?<=.)\/+$/, '');
}
