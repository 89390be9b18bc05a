/** What ZFS allows, as a model: zfs-destroy(8), zfs-promote(8), zfs-clone(8), zfs-rename(8). */
import type {Dataset} from '../../../src/storage/zfs/listing.ts';
import {parseSnapshot, PROPERTY} from '../../../src/storage/zfs/names.ts';
import type {Operation} from '../../../src/storage/zfs/operations.ts';

interface Entry {
  origin: string | null;
  properties: Map<string, string>;
  /** Oldest first; name after the @, and its own properties. */
  snapshots: {name: string; properties: Map<string, string>}[];
  created: number;
}

export const VOLUMES = 'tank/c/volumes';

export class PoolModel {
  readonly datasets = new Map<string, Entry>();
  #txg = 1;

  create(name: string, properties: Record<string, string>, origin: string | null = null): void {
    if (this.datasets.has(name)) throw new Error(`${name} exists`);
    if (origin !== null) this.#snapshot(origin);
    this.datasets.set(name, {
      origin,
      properties: new Map(Object.entries(properties)),
      snapshots: [],
      created: this.#txg++,
    });
  }

  snapshot(dataset: string, name: string, properties: Record<string, string>): void {
    this.#entry(dataset).snapshots.push({name, properties: new Map(Object.entries(properties))});
  }

  perform(operation: Operation): void {
    switch (operation.do) {
      case 'destroy':
        if (operation.name.includes('@')) this.#destroySnapshot(operation.name);
        else this.#destroyDataset(operation.name);
        return;
      case 'promote':
        this.#promote(operation.clone);
        return;
      case 'rename': {
        const [dataset = '', name] = operation.to.split('@');
        if (name === undefined || !operation.snapshot.startsWith(`${dataset}@`))
          throw new Error('rename moves it');
        this.#snapshot(operation.snapshot).name = name;
        for (const entry of this.datasets.values())
          if (entry.origin === operation.snapshot) entry.origin = operation.to;
        return;
      }
      case 'set':
        this.#entry(operation.dataset).properties.set(operation.property, operation.value);
    }
  }

  clonesOf(snapshot: string): string[] {
    return [...this.datasets].filter(([, {origin}]) => origin === snapshot).map(([name]) => name);
  }

  /** As listing.ts reads it. */
  list(): Dataset[] {
    return [...this.datasets].map(([name, entry]) => {
      const own = entry.properties.get(PROPERTY.volume);
      return {
        name,
        id: own !== undefined && name.endsWith(`/${own}`) ? own : undefined,
        parent: null,
        ephemeral: entry.properties.get(PROPERTY.ephemeral) === 'on',
        removed: entry.properties.get(PROPERTY.state) === 'removed',
        origin: entry.origin,
        created: entry.created,
        snapshots: entry.snapshots.map((snapshot) => {
          const {id, isBase} = parseSnapshot(snapshot.name);
          const volume = snapshot.properties.get(PROPERTY.volume) ?? own;
          const full = `${name}@${snapshot.name}`;
          return {
            name: full,
            id: id === volume ? id : undefined,
            isBase,
            parent: null,
            clones: this.clonesOf(full),
          };
        }),
      };
    });
  }

  #entry(dataset: string): Entry {
    const entry = this.datasets.get(dataset);
    if (entry === undefined) throw new Error(`${dataset} does not exist`);
    return entry;
  }

  #snapshot(full: string): Entry['snapshots'][number] {
    const [dataset = '', name] = full.split('@');
    const found = this.#entry(dataset).snapshots.find((snapshot) => snapshot.name === name);
    if (found === undefined) throw new Error(`${full} does not exist`);
    return found;
  }

  #destroySnapshot(full: string): void {
    const snapshot = this.#snapshot(full);
    if (this.clonesOf(full).length > 0) throw new Error(`${full} has clones`);
    const entry = this.#entry(full.split('@')[0] ?? '');
    entry.snapshots = entry.snapshots.filter((other) => other !== snapshot);
  }

  #destroyDataset(name: string): void {
    if (this.#entry(name).snapshots.length > 0) throw new Error(`${name} has snapshots`);
    this.datasets.delete(name);
  }

  #promote(clone: string): void {
    const entry = this.#entry(clone);
    if (entry.origin === null) throw new Error(`${clone} is no clone`);
    const [dataset = '', name = ''] = entry.origin.split('@');
    const from = this.#entry(dataset);
    const at = from.snapshots.findIndex((snapshot) => snapshot.name === name);
    const taken = from.snapshots.slice(0, at + 1);
    if (taken.some((one) => entry.snapshots.some((own) => own.name === one.name)))
      throw new Error('names collide');
    for (const other of this.datasets.values()) {
      const moved = taken.find((snapshot) => other.origin === `${dataset}@${snapshot.name}`);
      if (moved !== undefined && other !== entry) other.origin = `${clone}@${moved.name}`;
    }
    from.snapshots = from.snapshots.slice(at + 1);
    entry.snapshots = [...taken, ...entry.snapshots];
    entry.origin = from.origin;
    from.origin = `${clone}@${name}`;
  }
}
