/** What is in a store's room that should not be: leftovers of ours, and what somebody else made. */
import type {VolumeProblem} from '../driver.ts';
import type {Dataset} from './listing.ts';
import type {Room} from './names.ts';
import type {Operation} from './operations.ts';

const LEAVE = 'chrootctl never touches it; remove it by hand if nobody needs it (zfs destroy)';

/** @param collectable what would be done to let go what nobody needs */
export function checkRoom(
  room: Room,
  datasets: readonly Dataset[],
  collectable: readonly Operation[],
): VolumeProblem[] {
  const isForeign = ({id, unsettled = false}: Dataset): boolean => id === undefined && !unsettled;
  const ours = new Set(datasets.flatMap((one) => (isForeign(one) ? [] : [one.name])));
  const destroyed = new Set(
    collectable.flatMap((operation) => (operation.do === 'destroy' ? [operation.name] : [])),
  );
  return [
    ...[...destroyed].map((name) => ({
      kind: 'leftover' as const,
      what: `${name} is of no use any more`,
      fix: 'destroy it',
    })),
    ...datasets
      .filter((one) => isForeign(one) && one.name !== room.volumes)
      .map(({name}) => foreign(`dataset ${name} in the store's room is not chrootctl's`)),
    ...datasets
      .filter(({id}) => id !== undefined)
      .flatMap(({snapshots}) => snapshots)
      .flatMap(({id, name, clones}) => [
        ...(id === undefined
          ? [foreign(`snapshot ${name} is not chrootctl's, and keeps what it shows`)]
          : []),
        ...clones
          .filter((clone) => !ours.has(clone) && !clone.startsWith(`${room.incoming}/`))
          .map((clone) => foreign(`dataset ${clone} is a clone of ${name}, which it keeps`)),
      ]),
  ];
}

function foreign(what: string): VolumeProblem {
  return {kind: 'foreign', what, fix: LEAVE};
}
