/** Making a room in a pool for a store, and telling whose a room is. */
import {ChrootctlError} from '../../errors.ts';
import {canonicalPath} from '../../system/canonical.ts';
import {isMissing, isTaken, refusal, tryZfs, zfs} from './command.ts';
import {PROPERTY, Room} from './names.ts';

/** Set where we make the dataset; one that is there already keeps what its owner gave it. */
const ROOM = ['mountpoint=none', 'canmount=off'];

/**
 * What every volume inherits. Names, times, attributes and modes as any Linux file system has them, whatever the pool
 * is set to; nothing that a snapshot tool would take for worth keeping.
 */
const VOLUMES = [
  ...['canmount=off', 'mountpoint=legacy', 'snapdir=hidden', 'readonly=off', 'com.sun:auto-snapshot=false'],
  ...['exec=on', 'setuid=on', 'devices=on', 'acltype=posix', 'xattr=sa', 'atime=off'],
  ...['casesensitivity=sensitive', 'normalization=none', 'utf8only=off'],
];

const IMAGES = ['canmount=off', 'mountpoint=none', 'com.sun:auto-snapshot=false'];

/**
 * Makes the dataset, where it is missing, and what is below it. With `adopt` a room that has been another store's is
 * taken over with all that is in it.
 * @param owner root of the store
 * @throws ChrootctlError USAGE when it is another store's, NOT_FOUND when there is no such pool, NOT_PERMITTED
 */
export async function prepareRoom(
  dataset: string,
  owner: string,
  {adopt = false}: {adopt?: boolean | undefined} = {},
): Promise<void> {
  const room = new Room(dataset);
  await make(room.dataset, ROOM);
  const present = await ownerOf(room);
  const lost = present !== undefined && isMarkOf(markOf(present), owner);
  // One of ours that nothing is in yet was being made when somebody died.
  if (present !== undefined && !adopt && !(lost && (await isEmpty(room)))) {
    throw new ChrootctlError(
      'USAGE',
      lost
        ? `the dataset ${dataset} holds volumes of this store, whose records are gone`
        : `the dataset ${dataset} belongs to the store ${present}`,
      {
        hint: lost
          ? `chrootctl doctor --rebuild --dataset ${dataset} makes the records anew from it`
          : `choose another --dataset; if that store is gone, chrootctl doctor --rebuild --dataset ${dataset} takes it over`,
      },
    );
  }
  await make(room.volumes, VOLUMES);
  await make(room.images, IMAGES);
  // Last: what bears the mark is complete.
  await zfs('set', `${PROPERTY.store}=${markOf(owner)}`, room.dataset);
}

/** A store's root as a value of a property: whatever is in the path, it is one line without white space. */
export function markOf(owner: string): string {
  return owner.split('/').map(encodeURIComponent).join('/');
}

/** Whether it is the mark of the store with this root. It may have been made when that was called by another name. */
export function isMarkOf(mark: string | undefined, owner: string): boolean {
  if (mark === undefined || mark === markOf(owner)) return mark !== undefined;
  return mark.startsWith('/') && canonicalPath(decodeURIComponent(mark)) === owner;
}

/** The root of the store whose room it is; undefined while it is nobody's. @throws ChrootctlError NOT_FOUND */
export async function ownerOf(room: Room): Promise<string | undefined> {
  // Not what it inherits: a room in a room would be somebody's, but not this one.
  const columns = 'value,source';
  const [value = '-', source] = (await zfs('get', '-Hp', '-o', columns, PROPERTY.store, room.dataset))
    .trim()
    .split('\t');
  return value === '-' || !/^(?:local|received)$/.test(source ?? '') ? undefined : decodeURIComponent(value);
}

/** The rooms of the store with this root, in all imported pools. */
export async function roomsOf(owner: string): Promise<string[]> {
  const args = ['get', '-Hp', '-s', 'local,received', '-t', 'filesystem', '-o', 'name,value', PROPERTY.store];
  return (await zfs(...args))
    .split('\n')
    .map((row) => row.split('\t'))
    .filter(([, value]) => isMarkOf(value, owner))
    .map(([name = '']) => name);
}

/** Whether there neither are nor were volumes in it, nor moves of tags. */
async function isEmpty({volumes, images}: Room): Promise<boolean> {
  const names = await zfs('list', '-H', '-r', '-o', 'name', '-t', 'filesystem,snapshot', volumes, images);
  return names
    .trim()
    .split('\n')
    .every((name) => name === volumes || name === images);
}

async function make(dataset: string, properties: readonly string[]): Promise<void> {
  const {ok, stderr} = await tryZfs([
    'create',
    ...properties.flatMap((property) => ['-o', property]),
    dataset,
  ]);
  if (ok || isTaken(stderr)) return;
  if (!isMissing(stderr)) throw refusal('zfs create', stderr);
  throw new ChrootctlError('NOT_FOUND', `there is no place for the dataset ${dataset}: ${stderr.trim()}`, {
    hint: 'zpool list shows the pools; the dataset above it must be there already',
  });
}
