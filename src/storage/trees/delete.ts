/** Deleting trees of ours, and nothing else. */
import {readFileSync, renameSync, rmdirSync, unlinkSync, type Dirent} from 'node:fs';
import {ChrootctlError, errnoOf} from '../../errors.ts';
import {randomId} from '../../ids.ts';
import {endable, Pauses, throwIfInterrupted} from '../../system/interruption.ts';
import {parseMountinfo} from '../../system/mounts.ts';
import {asBytes, bytePath, entriesOf, joinBytes, type BytePath} from './bytes.ts';

/**
 * Refuses when something is mounted below `directory` in our mount namespace: to delete the tree would be to delete
 * what is mounted there. It does happen: mounts made inside a bind mount of a volume come back to the volume where
 * propagation is shared (mount_namespaces(7)).
 * @throws ChrootctlError BUSY
 */
export function assertNothingMountedBelow(directory: string, id: string): void {
  const text = readFileSync('/proc/self/mountinfo', 'utf8');
  if (!text.includes(`/${id}/`)) return;
  const mount = parseMountinfo(text).find(({mountPoint}) => mountPoint.startsWith(`${directory}/`));
  if (mount === undefined) return;
  throw new ChrootctlError('BUSY', `something is mounted inside volume ${id}: ${mount.mountPoint}`, {
    hint: `umount ${mount.mountPoint}, then try again`,
  });
}

/** How many entries may still be deleted. */
export interface Budget {
  left: number;
}

/**
 * Deletes a tree; what is gone already, or goes meanwhile, is no error. Symbolic links are not followed. Gives whether
 * all of it is gone, or the budget was used up before.
 */
export function deleteTree(path: string, budget: Budget = {left: Infinity}): boolean {
  return new Deletion(path).goOn(budget);
}

/** Entries between two looks at the time. */
const AT_ONCE = 500;

/**
 * The same for what may be large, with pauses. An interruption ends it, and whoever goes on later finds the rest; but not
 * what is deleted because of one.
 */
export async function deleteLargeTree(path: string): Promise<void> {
  const deletion = new Deletion(path);
  const pauses = new Pauses(undefined);
  const endsEarly = endable() !== undefined;
  while (!deletion.goOn({left: AT_ONCE})) {
    await pauses.now();
    if (endsEarly) throwIfInterrupted('chrootctl gc deletes the rest');
  }
}

/** Levels below one that was reached by a short path, at which what is deeper is brought up. */
const DEEP = 100;
/** Bytes of a path that leave room for one more name in what a system call takes (path_resolution(7)). */
const LONG = 3000;

interface Level {
  path: BytePath;
  entries: readonly Dirent[];
  /** How many of them have been dealt with. */
  done: number;
}

/** No call deeper than another, and no path longer than a system call takes, however deep the tree is. */
class Deletion {
  readonly #top: BytePath;
  /** Directories from the one that was entered last, the innermost at the end. */
  readonly #levels: Level[] = [];
  /** What was too deep to be reached, where it has been moved to: right below the top. */
  readonly #broughtUp: BytePath[];

  constructor(path: string) {
    this.#top = bytePath(path);
    this.#broughtUp = [this.#top];
  }

  /** Gives whether all is gone. */
  goOn(budget: Budget): boolean {
    for (let level = this.#level(); level !== undefined; level = this.#level()) {
      const entry = level.entries[level.done];
      if (entry === undefined) {
        this.#levels.pop();
        if (level.path !== this.#top) tolerant(() => rmdirSync(asBytes(level.path)));
        continue;
      }
      if (budget.left-- <= 0) return false;
      level.done++;
      const child = joinBytes(level.path, entry.name);
      if (!entry.isDirectory()) tolerant(() => unlinkSync(asBytes(child)));
      else if (this.#levels.length < DEEP && child.length < LONG) this.#enter(child);
      else this.#bringUp(child);
    }
    tolerant(() => rmdirSync(asBytes(this.#top)));
    return true;
  }

  #level(): Level | undefined {
    if (this.#levels.length === 0) {
      const next = this.#broughtUp.pop();
      if (next !== undefined) this.#enter(next);
    }
    return this.#levels.at(-1);
  }

  #enter(path: BytePath): void {
    this.#levels.push({path, entries: tolerant(() => entriesOf(path)) ?? [], done: 0});
  }

  #bringUp(path: BytePath): void {
    const place = joinBytes(this.#top, `.deep-${randomId()}`);
    if (tolerant(() => (renameSync(asBytes(path), asBytes(place)), true)) === true)
      this.#broughtUp.push(place);
  }
}

function tolerant<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return undefined;
  }
}
