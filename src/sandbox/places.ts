/**
 * What the sandbox makes in the root so that the command finds it there: places to mount something on, with the
 * directories on the way to them, and files of its own in /etc. None of it is the command's doing, so that a commit and a
 * diff leave it out (session/places.ts).
 */
import {dirname} from 'node:path';
import {lookUp, viewOf, type View} from './in-root.ts';

export interface Place {
  /** Absolute, inside the root, free of symbolic links. */
  path: string;
  /** `file`: empty, to mount on. `copy`: with contents, in place of what the root has there, if it has anything. */
  kind: 'directory' | 'file' | 'copy';
}

/** Directories on the way to `path`, itself included, that are not there: parents before children. */
export function missingDirectories(views: readonly View[], path: string): string[] {
  return ancestors(path).filter((directory) => !isThere(views, directory));
}

/** From the outermost to the path itself; without the root. */
function ancestors(path: string): string[] {
  return path === '/' ? [] : [...ancestors(dirname(path)), path];
}

/** Below a mount of the sandbox's own there is no telling. */
function isThere(views: readonly View[], path: string): boolean {
  const {kind} = lookUp(views, path);
  return kind !== 'missing' && (kind !== 'unknown' || views.some(({target}) => target === path));
}

/** Whether a path is in the root itself, not in something that is mounted on it. */
export function isInRootItself(views: readonly View[], path: string): boolean {
  return viewOf(views, path).target === '/';
}
