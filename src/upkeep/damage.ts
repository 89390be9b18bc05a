/** What is wrong in a way that no crash explains: lost volumes, tags to nowhere, records that somebody edited. */
import {renameSync, statSync} from 'node:fs';
import {ChrootctlError, messageOf} from '../errors.ts';
import {currentUser} from '../session/publish.ts';
import {catchUp, imagesAhead} from '../store/catch-up.ts';
import type {Image} from '../store/image.ts';
import type {Store} from '../store/store.ts';
import {describeTransfer, transfers} from './transfers.ts';

export interface Damage {
  kind: string;
  what: string;
  fix: string;
  /** Undefined where only a person can decide. */
  collect: (() => Promise<void>) | undefined;
}

export async function damage(store: Store): Promise<Damage[]> {
  const volumes = new Set((await store.driver.list()).map(({id}) => id));
  const images = store.imageNames().map((name) => store.image(name));
  return [
    ...images.flatMap((image) => imageDamage(image, volumes)),
    ...sessionDamage(store, volumes),
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

function imageDamage(image: Image, volumes: ReadonlySet<string>): Damage[] {
  const found: Damage[] = [];
  const ids = image.versionIds();
  for (const id of ids) {
    const what = `version ${image.name}@${id}`;
    try {
      const version = image.version(id);
      if (version !== undefined && !volumes.has(version.volume)) {
        found.push({
          kind: 'missing-volume',
          what: `${what}: its volume ${version.volume} is gone`,
          fix: `remove it: chrootctl rm --force ${image.name}@${id}`,
          collect: undefined,
        });
      }
    } catch (error) {
      if (!(error instanceof ChrootctlError)) throw error;
      found.push({
        kind: 'damaged-record',
        what: messageOf(error),
        fix: 'restore it from a backup, or remove it',
        collect: undefined,
      });
    }
  }
  const known = new Set(ids);
  for (const [tag, id] of Object.entries(image.refs().tags)) {
    if (known.has(id)) continue;
    found.push({
      kind: 'dangling-tag',
      what: `${image.name}:${tag} points to ${id}, which is gone`,
      fix: 'drop the tag',
      collect: () =>
        image.change(async (change) => {
          // It may have moved since.
          if (image.refs().tags[tag] !== id) return;
          await change.moveTags(
            {[tag]: null},
            {action: 'untag', by: currentUser(), message: 'dropped by doctor'},
          );
        }),
    });
  }
  try {
    image.history();
  } catch (error) {
    if (!(error instanceof ChrootctlError)) throw error;
    found.push({
      kind: 'damaged-history',
      what: messageOf(error),
      fix: 'keep the file beside as history.jsonl.damaged, and begin a new one',
      collect: () =>
        image.change(async (change) => {
          renameSync(image.historyFile, `${image.historyFile}.damaged`);
          await change.restartHistory({
            action: 'tag',
            by: currentUser(),
            message: 'the history before was damaged',
          });
        }),
    });
  }
  return found;
}

function sessionDamage(store: Store, volumes: ReadonlySet<string>): Damage[] {
  const unreadable = store.sessions
    .damaged()
    .filter(({torn}) => !torn)
    .map(({path}) => ({
      kind: 'damaged-record',
      what: `${path} cannot be read`,
      fix: 'mend it or remove it; until then no volume is collected',
      collect: undefined,
    }));
  const lost = store.sessions
    .list()
    .filter((record) => !record.ephemeral && !store.sessions.isUnbegun(record) && !volumes.has(record.volume))
    .map((record) => ({
      kind: 'missing-volume',
      what: `session ${record.id}: its volume ${record.volume} is gone`,
      fix: `remove it: chrootctl session rm ${record.id}`,
      collect: undefined,
    }));
  return [...unreadable, ...lost];
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
