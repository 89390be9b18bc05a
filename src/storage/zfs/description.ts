/** What of OpenZFS there is, for people. */
import {zfs} from './command.ts';
import type {Room} from './names.ts';
import {programFeatures} from './program.ts';

export async function describeRoom({dataset, pool}: Room): Promise<string> {
  const [version, features] = await Promise.all([zfs('version'), programFeatures(pool)]);
  const kernel = /^zfs-kmod-(\S+)/m.exec(version)?.[1] ?? 'of an unknown version';
  const found = Object.entries(features ?? {})
    .flatMap(([name, there]) => (there === true ? [name] : []))
    .sort();
  const programs =
    features === undefined ? 'no channel programs' : `channel programs with ${found.join(', ')}`;
  return `dataset ${dataset}, OpenZFS ${kernel}, ${programs}`;
}
