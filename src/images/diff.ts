/** What differs between two versions, or a session and the version it was made from. */
import {ChrootctlError} from '../errors.ts';
import {parseReference} from '../reference.ts';
import {withoutPlaces} from '../session/places.ts';
import {pin} from '../session/pin.ts';
import type {Change} from '../storage/driver.ts';
import type {SessionRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';

interface Compared {
  volume: string;
  /** The session whose volume it is. */
  session: SessionRecord | undefined;
  /** Reference of the version it was made from. */
  parent: string | null;
}

/**
 * From A to B; of A alone: a session against its version, a version against its parent.
 * @throws ChrootctlError NOT_FOUND
 */
export async function diff(store: Store, a: string, b?: string): Promise<readonly Change[]> {
  const pins: SessionRecord[] = [];
  try {
    const first = await volumeOf(a);
    if (b !== undefined) return await changes(first, await volumeOf(b));
    if (first.parent === null) {
      throw new ChrootctlError('USAGE', `${a} has no parent to compare it with`, {
        hint: `name two versions: chrootctl diff A ${a}`,
      });
    }
    const base = await volumeOf(first.parent);
    return await changes(base, first);
  } finally {
    for (const record of pins) store.sessions.drop(record.id);
  }

  async function changes(from: Compared, to: Compared): Promise<readonly Change[]> {
    try {
      const found = await store.driver.changes(from.volume, to.volume);
      return to.session !== undefined ? await withoutPlaces(store, to.session, found) : found;
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

  /** A session's volume is its own; a version is pinned while it is read. */
  async function volumeOf(text: string): Promise<Compared> {
    const session = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(text) ? store.sessions.find(text) : undefined;
    if (session !== undefined) {
      return {
        volume: session.volume,
        session,
        parent: session.version === null ? null : `${session.image}@${session.version}`,
      };
    }
    const {record, version} = await pin(store, parseReference(text), {
      kind: 'run',
      ephemeral: true,
      command: ['diff'],
      labels: {},
      options: {},
    });
    pins.push(record);
    return {
      volume: version.volume,
      session: undefined,
      parent: version.parent === null ? null : `${version.image}@${version.parent}`,
    };
  }
}
