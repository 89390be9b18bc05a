/** What differs between two versions, or a session and the version it was made from. */
import {ChrootctlError} from '../errors.ts';
import type {Reference} from '../reference.ts';
import {pinToRead} from '../session/pin.ts';
import {tracesIn} from '../session/places.ts';
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
 * From A to B; of A alone: a session against its version, a version against its parent. Sorted by path, as they are found;
 * what is compared stays until the last has been taken.
 * @throws ChrootctlError NOT_FOUND
 */
export async function* diff(store: Store, a: string, b?: string): AsyncGenerator<Change, void> {
  const releases: (() => void)[] = [];
  try {
    const [from, to] = await sides();
    try {
      yield* changes(from, to);
    } catch (error) {
      throw endedMeanwhile([from, to], error) ?? error;
    }
  } finally {
    for (const release of releases) release();
  }

  async function sides(): Promise<[from: Compared, to: Compared]> {
    const first = await volumeOf(a);
    if (b !== undefined) return [first, await volumeOf(b)];
    if (first.parent === null) {
      throw new ChrootctlError('USAGE', `${a} has no parent to compare it with`, {
        hint: `name two versions: chrootctl diff A ${a}`,
      });
    }
    const parent = await originOf(first);
    if (parent === undefined) {
      throw new ChrootctlError('NOT_FOUND', `the version that ${a} was made from is gone (${first.parent})`, {
        hint: `name two versions: chrootctl diff A ${a}`,
      });
    }
    return [parent, first];
  }

  /**
   * What its sandboxes have made in a session is no difference, on whichever side: there it is what the version is that the
   * session was made from.
   */
  async function* changes(from: Compared, to: Compared): AsyncGenerator<Change, void> {
    const [inFrom, inTo] = [await tracesOf(from), await tracesOf(to)];
    const instead: Change[] = [];
    if (inFrom.size + inTo.size > 0) {
      const [fromOrigin, toOrigin] = [await originOf(from), await originOf(to)];
      const both = inFrom.intersection(inTo);
      for (const [before, after, paths] of [
        [fromOrigin, to, inFrom.difference(both)],
        [from, toOrigin, inTo.difference(both)],
        [fromOrigin, toOrigin, both],
      ] as const) {
        if (before === undefined || after === undefined || before.volume === after.volume) continue;
        if (paths.size === 0) continue;
        const found = store.driver.changes(before.volume, after.volume, {only: [...paths]});
        instead.push(...(await Array.fromAsync(found)));
      }
    }
    instead.sort((one, other) => (one.path < other.path ? -1 : 1));
    for await (const change of store.driver.changes(from.volume, to.volume)) {
      if (inFrom.has(change.path) || inTo.has(change.path)) continue;
      while ((instead[0]?.path ?? change.path) < change.path) yield instead.shift() as Change;
      yield change;
    }
    yield* instead;
  }

  async function tracesOf({session}: Compared): Promise<ReadonlySet<string>> {
    return session === undefined ? new Set() : tracesIn(store, session);
  }

  /** Nothing keeps a session from being ended, or going on in another volume, while it is read. */
  function endedMeanwhile(compared: readonly Compared[], cause: unknown): ChrootctlError | undefined {
    const isThere = ({session, volume}: Compared): boolean =>
      session === undefined || store.sessions.find(session.id)?.volume === volume;
    const gone = compared.find((side) => !isThere(side));
    if (gone === undefined) return undefined;
    return new ChrootctlError(
      'BUSY',
      `session ${gone.session?.id ?? ''} was committed or ended while it was compared`,
      {hint: 'look at chrootctl ps, then try again', cause},
    );
  }

  /** The version that it was made from, which may be one of another image; undefined where that is gone. */
  async function originOf({parent, image}: Compared): Promise<Compared | undefined> {
    const reference = parent === null ? undefined : locateVersion(store, parent, image);
    return reference && volumeOfVersion(reference);
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
