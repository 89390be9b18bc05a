/** What is written in the room of the volumes, on its way to the disk: nothing is frozen of which something may be lost. */
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {afterwards} from '../../errors.ts';
import {LostWrites, WriteBack} from '../../system/write-back.ts';
import {lossesIn, noteLoss} from './losses.ts';
import type {VolumeRecord} from './volume-record.ts';

/** A clock that was set back a little must not hide what changed. */
const CLOCK_SKEW_MS = 60_000;

export class Writes {
  readonly #volumes: string;
  #writeBack: WriteBack | undefined;
  #watchers = 0;
  /** Volumes that are written to by this process, or what it started, while it watches. */
  readonly #watched = new Set<string>();

  constructor(volumes: string) {
    this.#volumes = volumes;
  }

  /** From now on, until it is called what this gives, this process is told of all that is lost in the room. */
  watch(): () => void {
    mkdirSync(this.#volumes, {recursive: true, mode: 0o700});
    this.#writeBack ??= new WriteBack(this.#volumes);
    this.#watchers++;
    return () => {
      if (--this.#watchers > 0) return;
      this.#writeBack?.close();
      this.#writeBack = undefined;
      this.#watched.clear();
    };
  }

  /** The same for as long as `work` takes. */
  async watching<T>(work: () => Promise<T>): Promise<T> {
    const end = this.watch();
    try {
      return await work();
    } finally {
      end();
    }
  }

  /** What the record of a volume that is made now says of that. A clone that is thrown away says nothing. */
  begun(id: string, {ephemeral}: {ephemeral: boolean}): Pick<VolumeRecord, 'losses'> {
    if (this.#writeBack !== undefined) this.#watched.add(id);
    else if (ephemeral) return {};
    return {losses: lossesIn(this.#volumes).count};
  }

  /** Nothing was written to this volume before this process watched. */
  areWatched(id: string): void {
    this.#watched.add(id);
  }

  /**
   * All that was written in the room is on the disk afterwards. What of it was written to this volume before this process
   * watched, is looked for in its files.
   * @throws LostWrites
   */
  async sync({id, layers, cloned = 0}: VolumeRecord): Promise<void> {
    const own = {tree: join(this.#volumes, layers[0] ?? ''), since: Math.max(cloned - CLOCK_SKEW_MS, 0)};
    const looks = this.#watched.has(id) ? [] : [own];
    await this.watching(async () => {
      try {
        await this.#writeBack?.sync(looks);
      } catch (error) {
        if (!(error instanceof LostWrites)) throw error;
        throw await afterwards(error, () => noteLoss(this.#volumes, error.what));
      }
      this.#watched.add(id);
    });
  }

  /** @throws LostWrites for a volume that others have written to while something was lost */
  assertNothingLost({id, losses = 0}: VolumeRecord): void {
    const {count, time, what} = lossesIn(this.#volumes);
    if (count === losses || this.#watched.has(id)) return;
    const last = time === '' ? '' : ` (${time}: ${what})`;
    throw new LostWrites(`volume ${id} was in use when something in the store was lost${last}`);
  }
}
