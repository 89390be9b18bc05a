/**
 * How a volume is removed whose clones live on. ZFS destroys no snapshot that has clones, and no dataset that has
 * snapshots; zfs-promote(8) is the way out: it hands a snapshot, and all older ones, over to a clone. So the dataset
 * becomes a clone itself and can go, and the snapshot goes with the last other clone of it.
 *
 * Here it is worked out on the listing alone; nothing is changed. Only what is ours is destroyed or promoted. What
 * somebody else has made of it (snapshots in our datasets, clones of our snapshots) stays, and keeps what it needs.
 */
import type {Dataset, Snapshot} from './listing.ts';
import {baseName, datasetOf, PROPERTY} from './names.ts';
import type {Operation} from './operations.ts';

/** Ids of volumes. */
type Kept = Pick<ReadonlySet<string>, 'has'>;

/** A model of the room that follows the operations as they are planned. */
export class Plan {
  readonly operations: Operation[] = [];
  readonly #datasets: Map<string, Dataset>;
  readonly #kept: Kept;

  /** @param kept volumes that something lies upon which the pool does not know of */
  constructor(datasets: readonly Dataset[], kept: Kept = new Set()) {
    this.#kept = kept;
    this.#datasets = new Map(datasets.map((dataset) => [dataset.name, structuredClone(dataset)]));
  }

  /** Makes the volumes unfindable and their datasets ones that are there for their snapshots only, and lets go what can. */
  remove(ids: Iterable<string>): void {
    const wanted = new Set<string | undefined>(ids);
    wanted.delete(undefined);
    for (const dataset of [...this.#datasets.values()]) {
      for (const snapshot of dataset.snapshots) {
        if (snapshot.isBase || !wanted.has(snapshot.id)) continue;
        if (this.#isNeeded(snapshot)) this.#makeBase(snapshot);
        else this.#destroySnapshot(dataset, snapshot);
      }
      if (wanted.has(dataset.id)) this.#markRemoved(dataset);
    }
    this.collect();
  }

  /** Lets go what nobody needs. */
  collect(): void {
    let before: number;
    do {
      before = this.operations.length;
      for (const dataset of [...this.#datasets.values()]) this.#collect(dataset);
    } while (this.operations.length > before);
  }

  #collect(dataset: Dataset): void {
    if (dataset.id === undefined) return;
    for (const snapshot of [...dataset.snapshots]) {
      if (snapshot.id !== undefined && snapshot.isBase && !this.#isNeeded(snapshot))
        this.#destroySnapshot(dataset, snapshot);
    }
    if (!dataset.removed) return;
    // What is mounted cannot be handed over, and is not ours to look for: it stays until nothing lies upon it.
    if (dataset.snapshots.some(({id}) => id !== undefined && this.#kept.has(id))) return;
    if (dataset.snapshots.length > 0) {
      const last = dataset.snapshots.at(-1) as Snapshot;
      const heir = this.#youngestHeir(last);
      // A snapshot that nothing of ours is based on would stay behind: nothing to be gained by handing the others over.
      if (heir === undefined) return;
      this.#promote(heir, dataset);
    }
    this.#destroyDataset(dataset);
  }

  #isNeeded({id, clones}: Snapshot): boolean {
    return clones.length > 0 || (id !== undefined && this.#kept.has(id));
  }

  /** The youngest, because older ones may go before it; one that outlives its command rather than one that does not. */
  #youngestHeir({clones}: Snapshot): Dataset | undefined {
    return clones
      .map((name) => this.#datasets.get(name))
      .filter((clone): clone is Dataset => clone?.id !== undefined && !clone.removed)
      .sort((a, b) => Number(a.ephemeral) - Number(b.ephemeral) || b.created - a.created)[0];
  }

  #makeBase(snapshot: Snapshot): void {
    const to = baseName(snapshot.name);
    this.operations.push({do: 'rename', snapshot: snapshot.name, to});
    for (const clone of snapshot.clones) this.#setOrigin(clone, to);
    snapshot.name = to;
    snapshot.isBase = true;
  }

  #markRemoved(dataset: Dataset): void {
    if (dataset.removed) return;
    this.operations.push({do: 'set', dataset: dataset.name, property: PROPERTY.state, value: 'removed'});
    dataset.removed = true;
  }

  /** The clone takes over all snapshots of `dataset`, which becomes a clone of the last of them. */
  #promote(clone: Dataset, dataset: Dataset): void {
    this.operations.push({do: 'promote', clone: clone.name});
    const taken = dataset.snapshots.map((snapshot) => {
      const name = clone.name + snapshot.name.slice(dataset.name.length);
      for (const heir of snapshot.clones) if (heir !== clone.name) this.#setOrigin(heir, name);
      return {...snapshot, name};
    });
    const last = taken.at(-1) as Snapshot;
    last.clones = [...last.clones.filter((name) => name !== clone.name), dataset.name];
    this.#replaceClone(dataset.origin, dataset.name, clone.name);
    clone.snapshots = [...taken, ...clone.snapshots];
    clone.origin = dataset.origin;
    dataset.origin = last.name;
    dataset.snapshots = [];
  }

  #destroySnapshot(dataset: Dataset, snapshot: Snapshot): void {
    this.operations.push({do: 'destroy', name: snapshot.name});
    dataset.snapshots = dataset.snapshots.filter((other) => other !== snapshot);
  }

  #destroyDataset(dataset: Dataset): void {
    this.operations.push({do: 'destroy', name: dataset.name});
    this.#replaceClone(dataset.origin, dataset.name);
    this.#datasets.delete(dataset.name);
  }

  #replaceClone(origin: string | null, name: string, by?: string): void {
    const snapshot = origin === null ? undefined : this.#snapshot(origin);
    if (snapshot === undefined) return;
    snapshot.clones = snapshot.clones.filter((clone) => clone !== name).concat(by ?? []);
  }

  #setOrigin(clone: string, origin: string): void {
    const dataset = this.#datasets.get(clone);
    if (dataset !== undefined) dataset.origin = origin;
  }

  #snapshot(name: string): Snapshot | undefined {
    return this.#datasets.get(datasetOf(name))?.snapshots.find((snapshot) => snapshot.name === name);
  }
}
