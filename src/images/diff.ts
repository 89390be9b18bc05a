/** What differs between two versions, or a session and the version it was made from. */
import {ChrootctlError} from '../errors.ts';
import type {Reference} from '../reference.ts';
import {pinToRead} from '../session/pin.ts';
import {withoutPlaces} from '../session/places.ts';
import type {Change} from '../storage/driver.ts';
import type {SessionRecord} from '../store/records.ts';
import {locateVersion, readReference} from '../store/resolve.ts';
import type {Store} from '../store/store.ts';

interface Compared {
  volume: string;
  /** The session whose volume it is. */
  session: SessionRecord | undefined;
  /** The version it was made from, and the image in which that is thought to be. */
  parent: string | null;
  image: string;
}

/**
 * From A to B; of A alone: a session against its version, a version against its parent.
 * @throws ChrootctlError NOT_FOUND
 */
export async function diff(store: Store, a: string, b?: string): Promise<readonly Change[]> {
  const releases: (() => void)[] = [];
  try {
    const first = await volumeOf(a);
    if (b !== undefined) return await changes(first, await volumeOf(b));
    if (first.parent === null) {
      throw new ChrootctlError('USAGE', `${a} has no parent to compare it with`, {
        hint: `name two versions: chrootctl diff A ${a}`,
      });
    }
    // A version may have been made from one of another image.
    const parent = locateVersion(store, first.parent, first.image);
    if (parent === undefined) {
      throw new ChrootctlError('NOT_FOUND', `the version that ${a} was made from is gone (${first.parent})`, {
        hint: `name two versions: chrootctl diff A ${a}`,
      });
    }
    return await changes(await volumeOfVersion(parent), first);
  } finally {
    for (const release of releases) release();
  }

  async function changes(from: Compared, to: Compared): Promise<readonly Change[]> {
    try {
      const found = await store.driver.changes(from.volume, to.volume);
      const {driver} = store;
      const own = await withoutTraces(to, found, async (base) =>
        base === from.volume ? [] : driver.changes(from.volume, base),
      );
      return await withoutTraces(from, own, async (base) =>
        base === to.volume ? [] : driver.changes(base, to.volume),
      );
    } catch (error) {
      for (const {session, volume} of [from, to]) {
        // Nothing keeps a session from being ended, or going on in another volume, while it is read.
        if (session === undefined || store.sessions.find(session.id)?.volume === volume) continue;
        throw new ChrootctlError(
          'BUSY',
          `session ${session.id} was committed or ended while it was compared`,
          {
            hint: 'look at chrootctl ps, then try again',
            cause: error,
          },
        );
      }
      throw error;
    }
  }

  /**
   * What its sandboxes have made in a session is no difference, on whichever side: there it is what the version is that the
   * session was made from. `against` compares that with the other side.
   */
  async function withoutTraces(
    {session, parent, image}: Compared,
    found: readonly Change[],
    against: (base: string) => Promise<readonly Change[]>,
  ): Promise<readonly Change[]> {
    if (session === undefined) return found;
    const visible = await withoutPlaces(store, session, found);
    const hidden = new Set(found.filter((change) => !visible.includes(change)).map(({path}) => path));
    const base = hidden.size === 0 || parent === null ? undefined : locateVersion(store, parent, image);
    if (base === undefined) return visible;
    const differing = await against((await volumeOfVersion(base)).volume);
    return [...visible, ...differing.filter(({path}) => hidden.has(path))].sort((one, other) =>
      one.path < other.path ? -1 : 1,
    );
  }

  /** A session's volume is its own; a version is pinned while it is read. */
  async function volumeOf(text: string): Promise<Compared> {
    const session = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(text) ? store.sessions.find(text) : undefined;
    if (session !== undefined) {
      return {
        volume: session.volume,
        session,
        parent: session.version,
        image: session.image,
      };
    }
    return volumeOfVersion(readReference(store, text));
  }

  async function volumeOfVersion(reference: Reference): Promise<Compared> {
    const {version, release} = await pinToRead(store, reference, 'diff');
    releases.push(release);
    return {
      volume: version.volume,
      session: undefined,
      parent: version.parent,
      image: version.image,
    };
  }
}
