/**
 * What volumes hold beyond their parents, in bytes: what a dataset or snapshot refers to and the snapshot before it, or the
 * one it is a clone of, does not.
 */
import {zfs} from './command.ts';
import {placesIn, type Dataset} from './listing.ts';
import type {Room} from './names.ts';

/** @param source name of a dataset or snapshot */
export async function written(source: string): Promise<number> {
  return Number(await zfs('get', '-Hp', '-o', 'value', 'written', source));
}

/** Of all volumes in the room, by id. */
export async function writtenBy({volumes}: Room, datasets: readonly Dataset[]): Promise<Map<string, number>> {
  const text = await zfs('list', '-Hp', '-r', '-t', 'filesystem,snapshot', '-o', 'name,written', volumes);
  const sizes = new Map(text.split('\n').map((row) => row.split('\t') as [string, string]));
  const entries = [...placesIn(datasets)].flatMap(([id, {source}]): [string, number][] => {
    const size = sizes.get(source);
    return size === undefined ? [] : [[id, Number(size)]]; // Else it has gone since.
  });
  return new Map(entries);
}
