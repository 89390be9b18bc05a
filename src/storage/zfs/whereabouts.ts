/** Where volumes are in the pool: not always where they were made. */
import {ChrootctlError} from '../../errors.ts';
import {locked} from '../on-disk/removal.ts';
import {zfs} from './command.ts';
import {datasetsIn, missing} from './contents.ts';
import {list, placeOf, type Dataset, type Place} from './listing.ts';
import type {Room} from './names.ts';

/** As for `datasetsIn`. */
interface Circumstances {
  owner: string | undefined;
  directory: string;
  young: number;
}

export class Whereabouts {
  readonly #room: Room;
  readonly #circumstances: Circumstances;

  constructor(room: Room, circumstances: Circumstances) {
    this.#room = room;
    this.#circumstances = circumstances;
  }

  /** All that is in the room. @throws ChrootctlError NOT_FOUND, FAILED */
  all(): Promise<Dataset[]> {
    return datasetsIn(this.#room, this.#circumstances);
  }

  /** @throws ChrootctlError NOT_FOUND */
  async find(id: string): Promise<Place> {
    const near = await list(this.#room.volume(id), {depth: 1});
    const place = placeOf(near?.datasets ?? [], id);
    if (place?.isFrozen === true) return place;
    // A snapshot may have been handed over; and where it should be, only its dataset is left then.
    const far = placeOf(await this.all(), id);
    if (far === undefined) throw missing(id);
    return far;
  }

  /**
   * Does something with the snapshot of a frozen volume. `attempt` gives undefined when that is not where it is told.
   * @throws ChrootctlError NOT_FOUND, BUSY when the volume is not frozen
   */
  async withFrozen<T>(id: string, attempt: (snapshot: string) => Promise<T | undefined>): Promise<T> {
    const first = await attempt(this.#room.frozen(id));
    if (first !== undefined) return first;
    // Not where it was made: removed, never frozen, or handed over to a clone (zfs-promote(8)), as it must not be again
    // while it is looked for.
    return locked(this.#circumstances.directory, async () => {
      const found = placeOf(await this.all(), id);
      if (found?.isFrozen === false) {
        throw new ChrootctlError('BUSY', `volume ${id} cannot be cloned while it is written to`, {
          hint: 'commit the session first',
        });
      }
      const second = found && (await attempt(found.source));
      if (second === undefined) throw missing(id);
      return second;
    });
  }

  /** The snapshot of a volume that is frozen, or was: of one that is removed it may be kept. @throws ChrootctlError NOT_FOUND */
  async snapshotOf(id: string): Promise<string> {
    const snapshots = (await this.all()).flatMap((dataset) => dataset.snapshots);
    const found = snapshots.find((snapshot) => snapshot.id === id);
    if (found === undefined) throw missing(id);
    return found.name;
  }

  async exists(id: string): Promise<boolean> {
    return placeOf((await list(this.#room.volume(id), {depth: 1}))?.datasets ?? [], id) !== undefined;
  }

  /** When the active volume `to` was cloned from `from`, or from the same; milliseconds since the epoch. */
  async cloned(from: string, to: string): Promise<number | undefined> {
    const {source, isFrozen, parent} = await this.find(to);
    if (isFrozen || parent === null) return undefined;
    if (parent !== from && parent !== (await this.find(from)).parent) return undefined;
    return 1000 * Number(await zfs('get', '-Hp', '-o', 'value', 'creation', source));
  }
}
