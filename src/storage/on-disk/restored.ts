/** The record of a frozen volume made anew, where what is left says for certain what was in it. */
import {join} from 'node:path';
import type {Claims} from '../driver.ts';
import {isThere, namesIn} from '../../system/files.ts';
import type {CheckedRoom} from './inspection.ts';
import {directoryOf, LAYERS, readRecords, volumeOfLayer, type VolumeRecord} from './volume-record.ts';

/** Another volume that lies upon a layer of this one; `part` is any, or the only one that counts. */
export function heirOf(volumes: string, id: string, part?: string): VolumeRecord | undefined {
  const isOurs = (layer: string): boolean =>
    part === undefined ? volumeOfLayer(layer) === id : layer === `${id}/${part}`;
  return readRecords(volumes).records.find((record) => record.id !== id && record.layers.some(isOurs));
}

/** Undefined where it is not certain: then only a person can tell, or a backup. */
export function restored(room: CheckedRoom, id: string, claims: Claims): VolumeRecord | undefined {
  const {volumes, name} = room;
  const frozen = claims.frozen.get(id);
  if (frozen === undefined) return undefined;
  const parts = namesIn(directoryOf(volumes, id)).filter((part) => LAYERS.includes(part));
  // A clone has all layers of its parent below its own.
  const below = heirOf(volumes, id)?.layers ?? [];
  const from = below.findIndex((layer) => volumeOfLayer(layer) === id);
  const layers = from >= 0 ? below.slice(from) : room.layersOf(id, parts, frozen.isFirst);
  if (layers === undefined || !layers.every((layer) => isThere(join(volumes, layer)))) return undefined;
  return {
    chrootctl: 1,
    id,
    driver: name,
    state: 'frozen',
    parent: parentIn(volumes, layers),
    ephemeral: false,
    layers,
    // If it has none, to look for them in vain costs little.
    rootAttributes: true,
  };
}

/** The volume whose layers are all that lies below the first. */
function parentIn(volumes: string, [, ...below]: readonly string[]): string | null {
  const [top] = below;
  if (top === undefined) return null;
  const parent = readRecords(volumes).records.find(({id}) => id === volumeOfLayer(top));
  return parent?.layers.join() === below.join() ? parent.id : null;
}
