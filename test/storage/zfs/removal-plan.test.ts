/** The plan of a removal, carried out on a model that refuses what ZFS refuses. */
import {describe, expect, test} from '@jest/globals';
import fc from 'fast-check';
import {PROPERTY} from '../../../src/storage/zfs/names.ts';
import {Plan} from '../../../src/storage/zfs/removal-plan.ts';
import {PoolModel, VOLUMES} from './pool-model.ts';

/** A room as the driver fills it. */
class Filled {
  readonly pool = new PoolModel();
  readonly frozen = new Set<string>();
  readonly active = new Set<string>();
  readonly foreign = new Set<string>();

  create(id: string, parent?: string, ephemeral = false): void {
    const properties = {[PROPERTY.volume]: id, ...(ephemeral ? {[PROPERTY.ephemeral]: 'on'} : {})};
    this.pool.create(
      `${VOLUMES}/${id}`,
      properties,
      parent === undefined ? null : `${VOLUMES}/${parent}@${parent}`,
    );
    this.active.add(id);
  }

  freeze(id: string): void {
    this.pool.snapshot(`${VOLUMES}/${id}`, id, {[PROPERTY.volume]: id});
    this.active.delete(id);
    this.frozen.add(id);
  }

  live(id: string, newId: string): void {
    this.pool.snapshot(`${VOLUMES}/${id}`, `${newId}.live`, {[PROPERTY.volume]: newId});
    this.pool.create(`${VOLUMES}/${newId}`, {[PROPERTY.volume]: newId}, `${VOLUMES}/${id}@${newId}.live`);
    this.freeze(newId);
  }

  remove(...ids: string[]): void {
    const plan = new Plan(this.pool.list());
    plan.remove(ids);
    for (const operation of plan.operations) this.pool.perform(operation);
    for (const id of ids) {
      this.active.delete(id);
      this.frozen.delete(id);
    }
  }

  names(): string[] {
    return [...this.pool.datasets].flatMap(([name, {snapshots}]) => [
      name.slice(VOLUMES.length + 1),
      ...snapshots.map((snapshot) => `${name.slice(VOLUMES.length + 1)}@${snapshot.name}`),
    ]);
  }
}

describe('removing a volume', () => {
  test('without heirs takes its dataset with it', () => {
    const room = new Filled();
    room.create('a');
    room.freeze('a');
    room.remove('a');
    expect(room.names()).toEqual([]);
  });

  test('hands its snapshot to the youngest heir that lasts, and the last heir lets it go', () => {
    const room = new Filled();
    room.create('a');
    room.freeze('a');
    room.create('old', 'a');
    room.create('young', 'a');
    room.create('run', 'a', true);
    room.remove('a');
    expect(room.names()).toEqual(['old', 'young', 'young@a.base', 'run']);
    room.remove('young');
    expect(room.names()).toEqual(['old', 'old@a.base', 'run']);
    room.remove('run');
    expect(room.names()).toEqual(['old']);
  });

  test('from a long line leaves the last one alone', () => {
    const room = new Filled();
    for (let n = 0; n < 50; n++) {
      room.create(`v${n}`, n === 0 ? undefined : `v${n - 1}`);
      room.freeze(`v${n}`);
    }
    for (let n = 0; n < 24; n++) room.remove(`v${n}`);
    room.remove(...Array.from({length: 25}, (_, n) => `v${n + 24}`));
    expect(room.names()).toEqual(['v49', 'v49@v49']);
  });

  test('that was a copy of a live one, then of that one, hands both snapshots over', () => {
    const room = new Filled();
    room.create('session');
    room.live('session', 'copy');
    room.create('old', 'copy');
    room.create('young', 'copy');
    room.remove('copy');
    room.remove('session');
    room.remove('old');
    expect(room.names()).toEqual(['young']);
  });

  test('leaves what somebody else made of it, and the rest with it', () => {
    const room = new Filled();
    room.create('a');
    room.freeze('a');
    room.pool.create('tank/mine', {}, `${VOLUMES}/a@a`);
    room.create('b');
    room.freeze('b');
    room.pool.snapshot(`${VOLUMES}/b`, 'keep', {});
    room.remove('a');
    room.remove('b');
    expect(room.pool.datasets.has('tank/mine')).toBe(true);
    expect(room.names()).toEqual(expect.arrayContaining(['a', 'a@a.base', 'b', 'b@keep']));
    expect(room.pool.list().filter(({removed}) => removed)).toHaveLength(2);
  });
});

/** Steps name volumes by numbers: which ones there are, only the run itself tells. */
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({kind: fc.constant('create' as const), of: fc.nat(20), ephemeral: fc.boolean()}),
  },
  {weight: 4, arbitrary: fc.record({kind: fc.constant('freeze' as const), of: fc.nat(20)})},
  {weight: 2, arbitrary: fc.record({kind: fc.constant('live' as const), of: fc.nat(20)})},
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('remove' as const),
      of: fc.nat(20),
      more: fc.array(fc.nat(20), {maxLength: 3}),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({kind: fc.constant('foreign' as const), of: fc.nat(20), clone: fc.boolean()}),
  },
);

test('in any order nothing is asked that ZFS refuses, nobody loses what is his, and nothing needless stays', () => {
  fc.assert(
    fc.property(fc.array(step, {maxLength: 40}), (steps) => {
      const room = new Filled();
      let count = 0;
      for (const {kind, of, ...more} of steps) {
        const pick = (from: ReadonlySet<string>): string | undefined =>
          [...from][of % Math.max(1, from.size)];
        const [active, frozen] = [pick(room.active), pick(room.frozen)];
        const id = `v${count++}`;
        if (kind === 'create') room.create(id, frozen, 'ephemeral' in more && more.ephemeral);
        else if (kind === 'freeze' && active !== undefined) room.freeze(active);
        else if (kind === 'live' && active !== undefined) room.live(active, id);
        else if (kind === 'remove') {
          const all = [...room.active, ...room.frozen];
          const others = 'more' in more ? more.more : [];
          if (all.length > 0) room.remove(...new Set([of, ...others].map((n) => all[n % all.length] ?? '')));
        } else if (kind === 'foreign' && frozen !== undefined) {
          if ('clone' in more && more.clone) {
            room.pool.create(`tank/f${id}`, {}, `${VOLUMES}/${frozen}@${frozen}`);
            room.foreign.add(`tank/f${id}`);
          } else {
            room.pool.snapshot(`${VOLUMES}/${frozen}`, `s${id}`, {});
            room.foreign.add(`s${id}`);
          }
        }
      }
      const datasets = room.pool.list();
      const snapshots = datasets.flatMap((dataset) => dataset.snapshots);
      for (const id of room.active)
        expect(datasets.find((dataset) => dataset.id === id && !dataset.removed)).toBeDefined();
      // What is frozen is where the path of `run` looks first, whatever was removed around it.
      for (const id of room.frozen)
        expect(snapshots.map(({name}) => name)).toContain(`${VOLUMES}/${id}@${id}`);
      for (const name of room.foreign) {
        expect(
          datasets.some((dataset) => dataset.name === name) ||
            snapshots.some((snapshot) => snapshot.name.endsWith(`@${name}`)),
        ).toBe(true);
      }
      if (room.foreign.size > 0) return;
      for (const {isBase, clones} of snapshots) if (isBase) expect(clones).not.toEqual([]);
      expect(datasets.filter(({removed}) => removed)).toEqual([]);
    }),
    {numRuns: 3000},
  );
});
