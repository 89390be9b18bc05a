/** What is wrong in a way that no crash explains: lost volumes, tags to nowhere, records that somebody edited. */
import {renameSync, statSync} from 'node:fs';
import {ChrootctlError, messageOf} from '../errors.ts';
import {currentUser} from '../session/publish.ts';
import {catchUp, imagesAhead} from '../store/catch-up.ts';
import type {Image} from '../store/image.ts';
import type {SessionRecord, VersionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import {describeTransfer, transfers} from './transfers.ts';

export interface Damage {
  kind: string;
  what: string;
  fix: string;
  /** Undefined where only a person can decide. */
  collect: (() => Promise<unknown>) | undefined;
}

export async function damage(store: Store): Promise<Damage[]> {
  const images = store.imageNames().map((name) => store.image(name));
  return [
    ...(await lostVolumes(store, images)),
    ...(await Promise.all(images.map((image) => danglingTags(image)))).flat(),
    ...images.flatMap((image) => [...damagedVersions(image), ...damagedHistory(image)]),
    ...damagedSessions(store),
    ...roomDamage(store),
    ...(await staleRecords(store)),
    ...(await waitingTransfers(store)),
    ...(await store.driver.check()).map(({kind, what, fix}) => ({
      kind,
      what,
      fix: fix ?? 'remove what names it, or restore it from a backup',
      collect:
        fix === undefined || kind === 'foreign'
          ? undefined
          : async () => {
              await store.driver.check({fix: true});
            },
    })),
  ];
}

/**
 * Versions and sessions whose volume is gone. The records come first, then the volumes: what a record names was there
 * before it. And then the records once more, since what is removed loses its volume too.
 */
async function lostVolumes(store: Store, images: readonly Image[]): Promise<Damage[]> {
  const versions = images.flatMap((image) => image.versionIds().flatMap((id) => readable(image, id) ?? []));
  const sessions = store.sessions.list().filter((record) => !record.ephemeral);
  const volumes = new Set((await store.driver.list()).map(({id}) => id));
  const isLost = ({volume}: {volume: string}): boolean => !volumes.has(volume);
  return [
    ...versions
      .filter(isLost)
      // A version is hidden before its volume goes.
      .filter(({image, id}) => store.image(image).versionIds().includes(id))
      .map(({image, id, volume}) => ({
        kind: 'missing-volume',
        what: `version ${image}@${id}: its volume ${volume} is gone`,
        fix: `remove it: chrootctl rm --force ${image}@${id}`,
        collect: undefined,
      })),
    ...(await stillLost(store, sessions.filter(isLost))).map(({id, volume}) => ({
      kind: 'missing-volume',
      what: `session ${id}: its volume ${volume} is gone`,
      fix: `remove it: chrootctl session rm ${id}`,
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

/** Undefined for one that is gone or cannot be read, which others report. */
function readable(image: Image, id: string): VersionRecord | undefined {
  try {
    return image.version(id);
  } catch (error) {
    if (error instanceof ChrootctlError) return undefined;
    throw error;
  }
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
        fix: 'restore it from a backup, or remove it',
        collect: undefined,
      };
    }
  });
}

/** Tags first, then the versions: a version is there before its tag. */
async function danglingTags(image: Image): Promise<Damage[]> {
  const tags = Object.entries(image.refs().tags);
  const known = new Set(image.versionIds());
  if (tags.every(([, id]) => known.has(id))) return [];
  // A removal hides the version before it drops the tags, and may yet put it back. When we hold the lock, it has ended;
  // one that was interrupted is brought to its end by others.
  const isDangling = ([tag, id]: readonly [string, string]): boolean =>
    image.refs().tags[tag] === id && !image.versionIds().includes(id) && !image.removingIds().includes(id);
  const dangling = await image.change(() => Promise.resolve(tags.filter(isDangling)));
  return dangling.map(([tag, id]) => ({
    kind: 'dangling-tag',
    what: `${image.name}:${tag} points to ${id}, which is gone`,
    fix: 'drop the tag',
    collect: () =>
      image.change(async (change) => {
        if (!isDangling([tag, id])) return;
        await change.moveTags(
          {[tag]: null},
          {action: 'untag', by: currentUser(), message: 'dropped by doctor'},
        );
      }),
  }));
}

function damagedHistory(image: Image): Damage[] {
  const what = complaintOf(image);
  if (what === undefined) return [];
  return [
    {
      kind: 'damaged-history',
      what,
      fix: 'keep the file beside as history.jsonl.damaged, and begin a new one',
      collect: () =>
        image.change(async (change) => {
          // Somebody else may have mended it.
          if (complaintOf(image) === undefined) return;
          renameSync(image.historyFile, `${image.historyFile}.damaged`);
          await change.restartHistory({
            action: 'tag',
            by: currentUser(),
            message: 'the history before was damaged',
          });
        }),
    },
  ];
}

/** What is wrong with an image's history. */
function complaintOf(image: Image): string | undefined {
  try {
    image.history();
    return undefined;
  } catch (error) {
    if (!(error instanceof ChrootctlError)) throw error;
    return messageOf(error);
  }
}

function damagedSessions(store: Store): Damage[] {
  return store.sessions
    .damaged()
    .filter(({torn}) => !torn)
    .map(({path}) => ({
      kind: 'damaged-record',
      what: `${path} cannot be read`,
      fix: 'mend it or remove it; until then no volume is collected',
      collect: undefined,
    }));
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
    .filter((directory) => (statSync(directory).mode & 0o077) !== 0)
    .map((directory) => ({
      kind: 'open-directory',
      what: `${directory} can be entered by others than its owner`,
      fix: `chmod 700 ${directory}`,
      collect: undefined,
    }));
}
