/** Putting a volume in its place, whole: by its name nobody finds one that is half made. */
import {mkdirSync, renameSync} from 'node:fs';
import {ChrootctlError, errnoOf} from '../../errors.ts';
import {syncDirectory, temporaryBeside} from '../../system/files.ts';
import {deleteParts, type Room} from './removal.ts';
import {directoryOf, writeFirstRecord, type VolumeRecord} from './volume-record.ts';

/**
 * Makes a volume's directory with its record and whatever `fill` puts into it, in its place all at once.
 * @throws ChrootctlError CONFLICT when its id is taken
 */
export async function placeVolume(
  room: Room,
  record: VolumeRecord,
  fill: (directory: string) => void | Promise<void>,
  {durable}: {durable: boolean},
): Promise<void> {
  const {volumes} = room;
  const place = directoryOf(volumes, record.id);
  const directory = makeTemporary(volumes, place);
  try {
    await fill(directory);
    writeFirstRecord(directory, record, {durable});
    renameSync(directory, place);
  } catch (error) {
    await deleteParts(room, directory);
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
    throw new ChrootctlError('CONFLICT', `volume ${record.id} exists already`);
  }
  if (durable) syncDirectory(volumes);
}

function makeTemporary(volumes: string, place: string): string {
  const directory = temporaryBeside(place);
  try {
    mkdirSync(directory, 0o700);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    mkdirSync(volumes, {recursive: true, mode: 0o700});
    mkdirSync(directory, 0o700);
  }
  return directory;
}
