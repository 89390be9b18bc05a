/** What is wrong in a way that no crash explains: lost volumes, tags to nowhere, records that somebody edited. */
import {statSync} from 'node:fs';
import {ChrootctlError, messageOf} from '../errors.ts';
import {currentUser} from '../session/publish.ts';
import {catchUp, imagesAhead} from '../store/catch-up.ts';
import type {Image} from '../store/image.ts';
import {messageIfDamaged, readable, type SessionRecord} from '../store/records.ts';
import {claimsOf, rootsOf} from '../store/roots.ts';
import type {VolumeProblem} from '../storage/driver.ts';
import type {Store} from '../store/store.ts';
import {batch, type Leftover} from './litter.ts';
import {foreignFiles, leftVolumes, lostDirectories, lostTags} from './lost.ts';
import type {Left, Survey} from './survey.ts';
import {describeTransfer, transfers} from './transfers.ts';

export interface Damage extends Omit<Leftover, 'collect'> {
  /** Undefined where only a person can decide. */
  collect: Leftover['collect'] | undefined;
}

export async function damage(store: Store, {left, roots}: Survey): Promise<Damage[]> {
  const images = store.imageNames().map((name) => store.image(name));
  const check = (options: {fix?: boolean} = {}): Promise<VolumeProblem[]> =>
    store.driver.check({...options, claims: () => claimsOf(store, rootsOf(store))});
  const inRoom = await check();
  let mended: Promise<unknown> | undefined;
  /** All that can be mended, in one go. */
  const mend = (): Promise<unknown> =>
    (mended ??= check({fix: true}).catch((error: unknown) => {
      mended = undefined;
      throw error;
    }));
  const undecided = new Set(
    left.filter(({volume}) => volume.state === 'frozen').map(({volume}) => volume.id),
  );
  return [
    ...lostDirectories(store),
    ...(await lostTags(images, roots)),
    ...leftVolumes(store, left, roots),
    ...(await lostVolumes(store, images, new Set(inRoom.flatMap(({volume}) => volume ?? [])))),
    ...(await danglingTags(images, undecided.size > 0)),
    ...images.flatMap((image) => [
      ...damagedVersions(image),
      ...damagedHistory(image),
      ...damagedPolicy(image),
    ]),
    ...damagedSessions(store, left),
    ...foreignFiles(store, images),
    ...roomDamage(store),
    ...(await staleRecords(store)),
    ...(await waitingTransfers(store)),
    ...inRoom.map(({kind, what, fix}) => ({
      kind,
      what,
      fix: fix ?? 'restore it from a backup',
      collect: fix === undefined || kind === 'foreign' ? undefined : mend,
    })),
  ];
}

/**
 * Versions and sessions whose volume is gone. The records come first, then the volumes: what a record names was there
 * before it. And then the records once more, since what is removed loses its volume too.
 */
async function lostVolumes(
  store: Store,
  images: readonly Image[],
  damaged: ReadonlySet<string>,
): Promise<Damage[]> {
  const versions = images.flatMap((image) => image.versions());
  const sessions = store.sessions.list().filter((record) => !record.ephemeral);
  const volumes = new Set((await store.driver.list()).map(({id}) => id));
  // Those that are there and damaged, the driver tells of.
  const isLost = ({volume}: {volume: string}): boolean => !volumes.has(volume) && !damaged.has(volume);
  const lost = versions.filter(isLost);
  // A version is hidden before its volume goes.
  const shown = new Set(lost.length === 0 ? [] : images.flatMap((image) => image.versionIds()));
  return [
    ...lost
      .filter(({id}) => shown.has(id))
      .map(({image, id, volume}) => ({
        kind: 'missing-volume',
        what: `version ${image}@${id}: its volume ${volume} is gone`,
        fix: `restore it from a backup; if there is none, give the version up: chrootctl rm --force ${image}@${id}`,
        collect: undefined,
      })),
    ...(await stillLost(store, sessions.filter(isLost))).map(({id, volume}) => ({
      kind: 'missing-volume',
      what: `session ${id}: its volume ${volume} is gone`,
      fix: `restore it from a backup; if there is none, give the session up: chrootctl session rm ${id}`,
      collect: undefined,
    })),
  ];
}

/** A session's record outlives its volume while it is ended: by the time that we hold its lock, that has been done. */
async function stillLost(store: Store, sessions: readonly SessionRecord[]): Promise<SessionRecord[]> {
  const lost: SessionRecord[] = [];
  for (const record of sessions) {
    await store.sessions.locked(record.id, () => {
      const present = store.sessions.find(record.id);
      if (present?.volume === record.volume && !store.sessions.isUnbegun(present)) lost.push(record);
      return Promise.resolve();
    });
  }
  return lost;
}

function damagedVersions(image: Image): Damage[] {
  return image.versionIds().flatMap((id) => {
    try {
      image.version(id);
      return [];
    } catch (error) {
      if (!(error instanceof ChrootctlError)) throw error;
      return {
        kind: 'damaged-record',
        what: messageOf(error),
        fix: 'restore it from a backup; its volume stays',
        collect: undefined,
      };
    }
  });
}

/** It may have forbidden something: only a person can say what. */
function damagedPolicy(image: Image): Damage[] {
  const what = readable(() => image.refs()) && messageIfDamaged(() => image.policy());
  if (what === undefined) return [];
  return [
    {
      kind: 'damaged-record',
      what,
      fix: `restore it from a backup, or set the policy anew: chrootctl policy ${image.name} --profile NAME`,
      collect: undefined,
    },
  ];
}

async function danglingTags(images: readonly Image[], mayBeThere: boolean): Promise<Damage[]> {
  const damage: Damage[][] = [];
  // One after the other: a lock takes descriptors.
  for (const image of images) damage.push(await danglingTagsOf(image, mayBeThere));
  return damage.flat();
}

/** Tags first, then the versions: a version is there before its tag. */
async function danglingTagsOf(image: Image, mayBeThere: boolean): Promise<Damage[]> {
  const tags = Object.entries(readable(() => image.refs().tags) ?? {});
  const known = new Set(image.versionIds());
  if (tags.every(([, id]) => known.has(id))) return [];
  // A removal hides the version before it drops the tags, and may yet put it back. When we hold the lock, it has ended;
  // one that was interrupted is brought to its end by others.
  const danglingOf = (among: typeof tags): typeof tags => {
    const present = image.refs().tags;
    const there = new Set([...image.versionIds(), ...image.removingIds()]);
    return among.filter(([tag, id]) => present[tag] === id && !there.has(id));
  };
  const dangling = await image.change(() => Promise.resolve(danglingOf(tags)));
  // A tag to a version that may come back is what is known of it.
  if (mayBeThere) {
    return dangling.map(([tag, id]) => ({
      kind: 'dangling-tag',
      what: whatOf(tag, id),
      fix: 'restore the version from a backup; a volume that may be its own stays',
      collect: undefined,
    }));
  }
  const ids = new Map(dangling);
  return batch(
    [...ids.keys()],
    (tag) => ({kind: 'dangling-tag', what: whatOf(tag, ids.get(tag) ?? ''), fix: 'drop the tag'}),
    (among) =>
      image.change(async (change) => {
        const still = danglingOf(among.map((tag) => [tag, ids.get(tag) ?? '']));
        await change.moveTags(Object.fromEntries(still.map(([tag]) => [tag, null])), {
          action: 'untag',
          by: currentUser(),
          message: 'dropped by doctor',
        });
      }),
  );

  function whatOf(tag: string, id: string): string {
    return `${image.name}:${tag} points to ${id}, which is gone`;
  }
}

function damagedHistory(image: Image): Damage[] {
  const what = complaintOf(image);
  if (what === undefined) return [];
  return [
    {
      kind: 'damaged-history',
      what,
      fix: 'keep the file beside as history.jsonl.damaged, and go on from what can be read',
      collect: () =>
        image.change(async (change) => {
          // Somebody else may have mended it.
          if (complaintOf(image) === undefined) return;
          await change.mendHistory({
            action: 'tag',
            by: currentUser(),
            message: 'the history before was damaged',
          });
        }),
    },
  ];
}

/** What is wrong with an image's history. That of one without tags is for who makes them anew. */
function complaintOf(image: Image): string | undefined {
  if (readable(() => image.refs()) === undefined) return undefined;
  try {
    image.history();
    return undefined;
  } catch (error) {
    if (!(error instanceof ChrootctlError)) throw error;
    return messageOf(error);
  }
}

/** Torn ones of runs are leftovers. */
function damagedSessions({sessions, execs}: Store, left: readonly Left[]): Damage[] {
  const mayNameKept = left.some(({volume}) => !volume.ephemeral);
  return [
    ...sessions
      .damaged()
      .filter(({torn}) => !torn || mayNameKept)
      .map(({path}) =>
        unreadable(
          path,
          'mend it, or restore it from a backup; until then no volume is collected that it may name',
        ),
      ),
    ...execs
      .damaged()
      .filter(({torn}) => !torn)
      .map(({path}) =>
        unreadable(
          path,
          'mend it; until then its session is taken for one in which this command does not run. ' +
            `If it has ended: chrootctl gc --give-up ${path}`,
        ),
      ),
  ];
}

function unreadable(path: string, fix: string): Damage {
  return {kind: 'damaged-record', what: `${path} cannot be read`, fix, collect: undefined};
}

/** The records know less than the storage, by more than one commit that died halfway. */
async function staleRecords(store: Store): Promise<Damage[]> {
  const stale = (await imagesAhead(store)).filter((ahead) => !ahead.isInterrupted);
  return stale.map(({image, ledger, records}) => ({
    kind: 'stale-records',
    what: `the storage knows of ${ledger} moves of ${image}, the records of ${records}`,
    fix: 'bring the records up to what the storage knows',
    collect: async () => {
      await catchUp(store, image);
    },
  }));
}

async function waitingTransfers(store: Store): Promise<Damage[]> {
  return (await transfers(store)).waiting.map((transfer) => ({
    kind: 'unfinished-transfer',
    what: describeTransfer(transfer),
    fix:
      `go on: chrootctl export --resume ${transfer.token ?? ''} - | chrootctl import - IMAGE; ` +
      'or give it up: chrootctl gc --transfers',
    collect: undefined,
  }));
}

/** Setuid programs inside volumes must be out of other users' reach. */
function roomDamage(store: Store): Damage[] {
  return [store.layout.volumes, store.layout.mounts, store.layout.sessions]
    .filter((directory) => ((statSync(directory, {throwIfNoEntry: false})?.mode ?? 0) & 0o077) !== 0)
    .map((directory) => ({
      kind: 'open-directory',
      what: `${directory} can be entered by others than its owner`,
      fix: `chmod 700 ${directory}`,
      collect: undefined,
    }));
}
