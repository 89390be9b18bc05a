/** What peers leave at places that cannot be chosen. */
import {existsSync, lstatSync, readdirSync, rmdirSync, unlinkSync} from 'node:fs';
import {join} from 'node:path';
import type {Ground} from '../section.ts';

const CGROUPS = '/sys/fs/cgroup';

/** Those of `paths` that are not there yet go at the end: files, and directories in which nothing is but directories. */
export function removeNewAtEnd({atEnd}: Ground, paths: readonly string[]): void {
  for (const path of paths) if (!existsSync(path)) atEnd(() => remove(path));
}

/** Where a cgroup `name` may come to be, in each hierarchy that is mounted. */
export function cgroupPlaces(name: string): string[] {
  const below = readdirSync(CGROUPS, {withFileTypes: true}).filter((entry) => entry.isDirectory());
  return [CGROUPS, ...below.map((entry) => join(CGROUPS, entry.name))].map((top) => join(top, name));
}

function remove(path: string): void {
  if (!existsSync(path)) return;
  if (!lstatSync(path).isDirectory()) {
    unlinkSync(path);
    return;
  }
  for (const entry of readdirSync(path, {withFileTypes: true}))
    if (entry.isDirectory()) remove(join(path, entry.name));
  rmdirSync(path);
}
