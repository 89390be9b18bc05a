/**
 * Keeps stacks of layers short: overlayfs takes 500 lower layers, mount(8) one page of options, and each layer costs
 * a look-up. Like a log-structured merge, the top layer takes in the layers below it as long as the next one is not
 * much larger than what is gathered already. So a file is linked anew only about once per doubling of what lies above
 * it, and a large base layer stays out of it.
 */
import {join} from 'node:path';
import {endable, Pauses} from '../../system/interruption.ts';
import {bytePath, entriesOf, joinBytes, type BytePath} from '../trees/bytes.ts';
import {mergeLayers} from './merge.ts';
import type {VolumeRecord} from '../on-disk/volume-record.ts';

/** Layers that a frozen volume has at most. With the longest ids, 32 are a third of mount(8)'s page. */
export const DEPTH_LIMIT = 32;

/** How much larger than the layers above it a layer may be to be merged with them. */
const RATIO = 2;

/** How many layers from the top to merge so that at most `limit` are left: 1 when there is nothing to do. */
export async function layersToMerge(
  volumes: string,
  layers: readonly string[],
  limit: number,
): Promise<number> {
  return chooseDepth(layers.length, limit, (index, most) =>
    countEntries(bytePath(join(volumes, layers[index] ?? '')), most),
  );
}

/** The choice itself. `entriesIn` tells how many entries a layer has; beyond `most` it need not go on counting. */
export async function chooseDepth(
  depth: number,
  limit: number,
  entriesIn: (index: number, most: number) => number | Promise<number>,
): Promise<number> {
  if (depth <= limit) return 1;
  let gathered = 0;
  for (let count = 0; count < depth; count++) {
    // What must go, goes whatever its size: afterwards the depth is within the limit for certain.
    const most = depth - count >= limit ? Infinity : RATIO * gathered;
    const entries = await entriesIn(count, most);
    if (entries > most) return count;
    gathered += entries;
  }
  return depth;
}

/** Merges the `count` top layers into `target`, a directory beside the top layer, and returns what the stack is then. */
export async function mergeTop(
  volumes: string,
  layers: readonly string[],
  count: number,
  target: string,
): Promise<Pick<VolumeRecord, 'layers' | 'linked'>> {
  const rest = layers.slice(count);
  const linked = await mergeLayers(volumes, layers.slice(0, count), rest, join(volumes, target));
  return {layers: [target, ...rest], linked: linked.filter((layer) => layer !== layers[0])};
}

/** Entries of a tree, itself included; counts no further than a little beyond `most`. */
async function countEntries(directory: BytePath, most: number): Promise<number> {
  const pauses = new Pauses(endable());
  let count = 1;
  const ahead = [directory];
  for (let path = ahead.pop(); path !== undefined && count <= most; path = ahead.pop()) {
    for (const entry of entriesOf(path)) {
      count++;
      if (entry.isDirectory()) ahead.push(joinBytes(path, entry.name));
    }
    if (pauses.isDue) await pauses.now();
  }
  return count;
}
