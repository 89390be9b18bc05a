/** Records that are lost, made anew from what else names the same; and what is not ours. */
import {lstatSync, mkdirSync, readdirSync} from 'node:fs';
import {basename, dirname, join} from 'node:path';
import {ChrootctlError} from '../errors.ts';
import {randomId} from '../ids.ts';
import {GONE} from '../store/layout.ts';
import {readUnconfirmed} from '../store/history.ts';
import type {Image} from '../store/image.ts';
import {messageIfDamaged, readable, type HistoryEntry, type VersionRecord} from '../store/records.ts';
import type {Roots} from '../store/roots.ts';
import {volumesOf} from '../store/sessions.ts';
import {restoreFormat, type Store} from '../store/store.ts';
import {isoTime} from '../system/clock.ts';
import {isDirectory, isThere, removeIfExists, setAside} from '../system/files.ts';
import {self} from '../system/identity.ts';
import type {Damage} from './damage.ts';
import {entries} from './litter.ts';
import type {Left} from './survey.ts';

/** What is where a directory should be and is none. Nobody can look for anything else before it is set aside. */
export function brokenDirectories({layout}: Store): Damage[] {
  const {images, sessions, execs, mounts, locks, volumes} = layout;
  const versions = (isDirectory(images) ? entries(images) : [])
    .filter((name) => layout.imageName(name) !== undefined && isDirectory(join(images, name)))
    .map((name) => join(images, name, 'versions'));
  const isBroken = (path: string): boolean =>
    lstatSync(path, {throwIfNoEntry: false}) !== undefined && !isDirectory(path);
  return [sessions, execs, mounts, locks, images, volumes, ...versions].filter(isBroken).map((path) => ({
    kind: 'no-directory',
    what: `${path} is no directory`,
    fix: 'keep it beside, with .damaged at the end of its name',
    collect: () => {
      setAside(path);
      removeIfExists(path); // A file is still there.
      // Of the others it is told that they are gone.
      if ([execs, mounts, locks].includes(path)) mkdirSync(path, {mode: 0o700});
      return Promise.resolve();
    },
  }));
}

/** Without sessions/ any volume may be one's. Other empty directories are made again by who needs them. */
export function lostDirectories(store: Store): Damage[] {
  const {layout} = store;
  const damage: Damage[] = [];
  if (store.isFormatLost)
    damage.push({
      kind: 'damaged-record',
      what: `${layout.format} is lost or damaged`,
      fix: `make it anew: the volumes are of the driver ${store.driver.name}`,
      collect: () => {
        restoreFormat(store);
        return Promise.resolve();
      },
    });
  if (!isThere(layout.images))
    damage.push({
      kind: 'missing-directory',
      what: `${layout.images} is gone, with all images`,
      fix: 'restore it from a backup; their volumes stay',
      collect: undefined,
    });
  if (!isThere(layout.sessions))
    damage.push({
      kind: 'missing-directory',
      what: `${layout.sessions} is gone`,
      fix: 'make it again; what its sessions held stays',
      collect: () => Promise.resolve(mkdirSync(layout.sessions, {recursive: true, mode: 0o700})),
    });
  return damage;
}

/** Tags that are lost, or older than the history: that tells what they were. */
export async function lostTags(images: readonly Image[], roots: Roots): Promise<Damage[]> {
  const damage: Damage[] = [];
  for (const image of images) {
    if (complaint(image) === undefined) continue;
    // Once more when nobody is at it.
    const [what, isCertain] = await image.change(() =>
      Promise.resolve([complaint(image), readable(() => tagsIn(image, roots)) !== undefined] as const),
    );
    if (what === undefined) continue;
    damage.push({
      kind: 'damaged-tags',
      what,
      fix: isCertain
        ? 'make the tags anew from the history'
        : `restore it from a backup; its versions can be used meanwhile: chrootctl run ${image.name}@VERSION`,
      collect: isCertain
        ? () =>
            image.change((change) => {
              const moves = complaint(image) === undefined ? undefined : readable(() => tagsIn(image, roots));
              if (moves !== undefined) change.restoreRefs(moves);
              return Promise.resolve();
            })
        : undefined,
    });
  }
  return damage;

  /** One whose commit is at work holds the lock; one whose commit died has a session that names the volume. */
  function complaint(image: Image): string | undefined {
    const complaint = messageIfDamaged(() => image.refs());
    if (complaint !== undefined) return complaint;
    const refs = image.refs();
    const moves = readable(() => tagsIn(image, roots));
    const last = moves?.at(-1)?.seq ?? 0;
    if (last <= refs.seq) return undefined;
    const used = new Set(roots.sessions.flatMap(volumesOf));
    const isInterrupted =
      last === refs.seq + 1 &&
      moves?.every(
        ({seq, to}) => seq < last || to === null || wasNamed(moves, last, to) || isUsed(image, to, used),
      ) === true;
    return isInterrupted
      ? undefined
      : `the history of ${image.name} tells of ${last} moves, its tags only know of ${refs.seq}`;
  }
}

function wasNamed(moves: readonly HistoryEntry[], last: number, id: string): boolean {
  return moves.some(({seq, to}) => seq < last && to === id);
}

function isUsed(image: Image, id: string, used: ReadonlySet<string>): boolean {
  const version = readable(() => image.version(id));
  return version === undefined || used.has(version.volume);
}

/** The moves that the history tells of, if they explain all versions that there are. */
function tagsIn(image: Image, roots: Roots): HistoryEntry[] | undefined {
  const ids = new Set([...image.versionIds(), ...image.removingIds()]);
  const moves = readUnconfirmed(image.historyFile, (id) => ids.has(id));
  if (moves === undefined) return undefined;
  const told = new Set(moves.map(({to}) => to));
  // One that no move leads to is of a commit that died, whose session still names the volume.
  const used = new Set(roots.sessions.flatMap(volumesOf));
  return [...ids].every((id) => told.has(id) || isUsed(image, id, used)) ? moves : undefined;
}

/** Volumes that may be somebody's: of versions and sessions whose records are lost. */
export function leftVolumes(store: Store, left: readonly Left[], roots: Roots): Damage[] {
  const {damaged} = store.sessions.all();
  // It says that one of the volumes is its session's, once the disk gives it back.
  const withheld = damaged.find((record) => record.withheld);
  const isSession = ({volume}: Left): boolean => volume.state === 'active' && !volume.ephemeral;
  const nameOf = sessionNames(store, left.filter(isSession));
  const versions = new Map(roots.versions.map((version) => [version.volume, version]));
  return left.map((one) => {
    const {volume, what, lost} = one;
    const problem = {kind: 'undecided-volume', what};
    if (lost !== undefined) {
      const version = async (): Promise<VersionRecord> => ({
        ...lost,
        volume: volume.id,
        size: await store.driver.usage(volume.id),
      });
      return {
        ...problem,
        fix: `make the record of ${lost.image}@${lost.id} anew from the volume`,
        collect: () =>
          store.image(lost.image).change(async (change) => {
            if (readable(() => change.image.version(lost.id)) === undefined)
              change.restoreVersion(await version());
          }),
      };
    }
    const parent = volume.parent === null ? undefined : versions.get(volume.parent);
    if (!isSession(one) || parent === undefined)
      return {
        ...problem,
        fix: 'restore the record that names it from a backup; it stays',
        collect: undefined,
      };
    if (withheld !== undefined)
      return {
        ...problem,
        fix: `look at the disk (dmesg), or give the record up: chrootctl gc --give-up ${withheld.path}; the volume stays`,
        collect: undefined,
      };
    const name = nameOf(volume.id) ?? `recovered-${randomId(6)}`;
    return {
      ...problem,
      fix: `make it a session again: ${name}`,
      collect: () => {
        // A record that could not be read a moment ago may name it after all.
        if (!namedBySessions(store)(volume.id)) recover(store, volume.id, parent, name);
        return Promise.resolve();
      },
    };
  });
}

/**
 * Tells of a volume whether a session names it, as of now.
 * @throws ChrootctlError BAD_INPUT when a record cannot be read that may name it
 */
export function namedBySessions({sessions}: Store): (volume: string) => boolean {
  const {records, damaged} = sessions.all();
  const named = new Set(records.flatMap(volumesOf));
  const unread = damaged.find(({withheld}) => withheld);
  return (volume) => {
    if (named.has(volume) || unread === undefined) return named.has(volume);
    throw new ChrootctlError('BAD_INPUT', `${unread.path} cannot be read, and may be of volume ${volume}`, {
      hint: `look at the disk (dmesg), or give the record up: chrootctl gc --give-up ${unread.path}`,
    });
  };
}

/**
 * Tells what session a volume is of that none has: one that cannot be read or is gone, and at whose place it is mounted. And
 * where there is one record that cannot be read and one such volume, they belong together.
 */
function sessionNames(
  {sessions, layout, driver}: Store,
  left: readonly Left[],
): (volume: string) => string | undefined {
  const known = new Set(sessions.list().map(({id}) => id));
  const named = new Map(
    [...driver.mountPoints(left.map(({volume}) => volume.id))]
      .filter(([place]) => dirname(place) === layout.mounts && !known.has(basename(place)))
      .map(([place, volume]) => [volume, basename(place)]),
  );
  const unread = sessions.damaged().map(({path}) => basename(path, '.json'));
  const [only] = left.length === 1 && unread.length === 1 ? unread : [];
  return (volume) => named.get(volume) ?? only;
}

/** An active volume that was made to be kept is somebody's work: it is a session again. */
export function recover({sessions}: Store, volume: string, version: VersionRecord, name: string): void {
  sessions.restore({
    id: name,
    kind: 'session',
    name,
    image: version.image,
    version: version.id,
    volume,
    pending: [],
    ephemeral: false,
    owner: self(),
    created: isoTime(),
    command: [],
    labels: {},
    config: version.config,
    options: {},
    changing: false,
    places: [],
  });
}

/** What somebody else has put where images are: it is never touched. */
export function foreignFiles({layout}: Store, images: readonly Image[]): Damage[] {
  const strange = isThere(layout.images)
    ? entries(layout.images).filter((name) => layout.imageName(name.replace(GONE, '')) === undefined)
    : [];
  const noDirectories = isThere(layout.images)
    ? readdirSync(layout.images, {withFileTypes: true})
        .filter((entry) => !entry.isDirectory() && layout.imageName(entry.name) !== undefined)
        .map(({name}) => name)
    : [];
  const paths = [
    ...[...strange, ...noDirectories].map((name) => join(layout.images, name)),
    ...images.flatMap((image) => readable(() => image.foreign()) ?? []),
  ];
  return paths.map((path) => ({
    kind: 'foreign',
    what: `${path} is not chrootctl's`,
    fix: 'chrootctl never touches it; move it away if it is needed elsewhere',
    collect: undefined,
  }));
}
